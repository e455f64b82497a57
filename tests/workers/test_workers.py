"""Workers share a port, and one that dies is missed by nobody."""

from __future__ import annotations

import os
import signal
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from sessionstore import SessionClient
from tests.conftest import rounds
from tests.rpc.process import run
from tests.rpc.serving import eventually
from tests.workers.load import load
from tests.workers.supervised import Supervised

_MOST_ROUNDS = 4
"""Of deaths: the delay doubles with each."""


def loads_grpc(pid: int) -> bool:
    """Whether gRPC's library is in the memory of a process."""
    return "cygrpc" in Path(f"/proc/{pid}/maps").read_text()


def test_every_worker_answers(server: Supervised) -> None:
    """The kernel spreads connections over them."""

    def answering() -> set[int]:
        with SessionClient(server.address, token=server.token) as sessions:
            sessions.create("alice")
        return {entry["worker"] for entry in server.events("call")}

    eventually(lambda: answering() == {0, 1}, within_s=60)
    assert len(server.pids()) == 2


def test_the_supervisor_never_loads_grpc(server: Supervised) -> None:
    """It starts processes all its life, and gRPC does not outlive a fork."""
    assert not loads_grpc(server.process.pid)
    assert all(loads_grpc(pid) for pid in server.pids().values())


def test_a_port_of_workers_is_not_shared_with_another_server(
    server: Supervised, tmp_path: Path
) -> None:
    """Neither a second supervisor nor a server alone gets a part of the connections."""
    for workers in ((), ("--workers", "2")):
        arguments = ("serve", "--dev", "--listen", server.address, *workers)
        done = run(tmp_path, *arguments, log_format="json")
        assert done.returncode == 1
        assert f"cannot listen on {server.address}: Address already in use" in done.stderr


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_ends_under_load_loses_no_call(
    server: Supervised, end: signal.Signals
) -> None:
    """Another one takes its place, and meanwhile the others answer."""
    with load(server.address, server.token) as calls:
        for number in range(min(rounds(1), _MOST_ROUNDS)):
            made = len(calls.created)
            eventually(partial(calls.is_beyond, made + 20))
            server.end_worker(number % 2, end)
    assert calls.refused == []
    assert {death["how"] for death in server.events("worker_died")[-1:]} == {
        "killed by signal 9" if end == signal.SIGKILL else "exit status 0"
    }


def test_a_worker_that_keeps_dying_is_started_less_and_less_often(server: Supervised) -> None:
    """Each time after twice the delay, while the other worker answers."""
    assert server.reload() == ""  # nobody has died yet
    number = min(server.pids())
    before = len(server.events("worker_died", worker=number))
    started = len(server.events("worker_started", worker=number))
    for death in range(4):
        (*_, birth) = server.wait_for("worker_started", started + death, worker=number)
        os.kill(birth["pid"], signal.SIGKILL)
        server.wait_for("worker_died", before + death + 1, worker=number)
    (*_, last) = server.wait_for("worker_started", started + 4, worker=number)
    deaths = server.events("worker_died", worker=number)[before:]
    delays = [death["restart_s"] for death in deaths]
    assert delays[1:] == [2 * delay for delay in delays[:-1]]
    took = datetime.fromisoformat(last["time"]) - datetime.fromisoformat(deaths[-1]["time"])
    assert took.total_seconds() >= delays[-1]
    with SessionClient(server.address, token=server.token) as sessions:
        assert sessions.create("alice").session.user_id == "alice"
