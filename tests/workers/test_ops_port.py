"""One ops port answers for all workers."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from sessiond.ops import asking
from sessionstore import SessionClient
from tests.engines import require_engine
from tests.ops.scraping import scrape
from tests.rpc.serving import eventually
from tests.workers.supervised import Supervised, supervised

CREATED = ("grpc_server_started_total", "CreateSession", "sessionstore.v1.SessionService", "unary")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    """Two workers and their ops port."""
    require_engine("valkey")
    with supervised(tmp_path_factory.mktemp("ops"), ops_listen="127.0.0.1:0") as started:
        started.wait_until_welcome()
        yield started


@pytest.fixture
def ops(server: Supervised) -> str:
    """Where it is."""
    (entry,) = [e for e in server.events("serving_ops") if "worker" not in e]
    return str(entry["address"])


def get(address: str, path: str) -> tuple[int, str]:
    """Status and text of a path."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_metrics_say_of_which_worker_they_are(server: Supervised, ops: str) -> None:
    """Each family once, and the calls of all workers together are those that were made."""

    def per_worker() -> list[float]:
        samples = scrape(ops).items()
        return [value for name, value in samples if name[:-1] == CREATED and value]

    for _ in range(64):
        with SessionClient(server.address, token=server.token) as sessions:
            sessions.create("alice")
        if len(per_worker()) == 2:
            break
    assert len(per_worker()) == 2
    created = sum(entry["method"] == "CreateSession" for entry in server.events("call"))
    assert sum(per_worker()) == created
    text = get(ops, "/metrics")[1]
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    assert scrape(ops)["sessiond_workers",] == 2


def test_keys_and_readiness_are_those_of_the_workers(ops: str) -> None:
    """As a process that serves alone gives them."""
    assert get(ops, "/healthz") == (200, "ok\n")
    assert get(ops, "/readyz") == (200, "ready\n")
    status, text = get(ops, "/.well-known/jwks.json")
    assert status == 200
    assert {key["use"] for key in json.loads(text)["keys"]} == {"sig"}


def test_restarts_are_counted_also_across_a_reload(server: Supervised, ops: str) -> None:
    """And the ops port answers meanwhile."""
    before = scrape(ops)["sessiond_worker_restarts_total",]
    server.end_worker(min(server.pids()), signal.SIGKILL)
    assert scrape(ops)["sessiond_worker_restarts_total",] == before + 1
    assert server.reload() == ""
    samples = scrape(ops)
    assert samples["sessiond_worker_restarts_total",] == before + 1
    assert samples["sessiond_workers",] == 2


def test_without_workers_that_answer_it_is_not_ready(server: Supervised, ops: str) -> None:
    """It says so itself, and shows what it knows."""
    _send_all(server, signal.SIGSTOP)
    try:
        assert get(ops, "/readyz") == (503, "not ready\n")
        assert get(ops, "/healthz") == (200, "ok\n")
        assert scrape(ops)["sessiond_workers",] == 0
        assert get(ops, "/.well-known/jwks.json")[0] == 503
    finally:
        _send_all(server, signal.SIGCONT)
    eventually(lambda: get(ops, "/readyz")[0] == 200)


def test_a_worker_that_hangs_holds_up_no_probe(server: Supervised, ops: str) -> None:
    """Another one has answered before it is given up."""
    pid = min(server.pids().values())
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert get(ops, "/readyz") == (200, "ready\n")
        assert time.monotonic() - began < asking._PATIENCE_S
    finally:
        os.kill(pid, signal.SIGCONT)


def _send_all(server: Supervised, number: signal.Signals) -> None:
    for pid in server.pids().values():
        os.kill(pid, number)
