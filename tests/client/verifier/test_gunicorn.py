"""A verifier in an application that gunicorn loads before it forks its workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keys import TokenKey
from tests.client.conftest import TOKEN
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService
from tests.client.verifier.access import USER, token
from tests.client.verifier.conftest import PATIENCE_S

WORKERS = 2


@contextmanager
def gunicorn(address: str) -> Iterator[int]:
    """The application on workers that were forked from where it was loaded; its port."""
    command = [
        *(sys.executable, "-m", "gunicorn", "--preload", "--workers", str(WORKERS)),
        *("--bind", "127.0.0.1:0", "--graceful-timeout", "2", "tests.client.verifier.wsgi_app:app"),
    ]
    environment = {k: v for k, v in os.environ.items() if k != "GRPC_ENABLE_FORK_SUPPORT"}
    environment |= {"SESSIONSTORE_ADDRESS": address, "SESSIONSTORE_TOKEN": TOKEN}
    server = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert server.stderr
    try:
        line = next(line for line in server.stderr if "Listening at" in line)
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found
        yield int(found[1])
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0


def asked(port: int, bearer: str) -> tuple[int, int]:
    """The status, and which process answered."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/", headers={"Authorization": f"Bearer {bearer}"})
        answer = connection.getresponse()
        return answer.status, int(answer.read())
    finally:
        connection.close()


def by_worker(port: int, bearer: str) -> dict[int, int]:
    """The last status of each worker, once all have answered."""
    statuses: dict[int, int] = {}
    until = time.monotonic() + PATIENCE_S
    while len(statuses) < WORKERS and time.monotonic() < until:
        status, process = asked(port, bearer)
        statuses[process] = status
    assert len(statuses) == WORKERS
    return statuses


def test_every_worker_hears_of_endings(service: FakeService, log: FakeLog, key: TokenKey) -> None:
    """Each over a stream of its own, though its application was loaded and used by the master."""
    session_id = new_session_id(USER)
    good = token(key, session_id)
    with gunicorn(service.address) as port:
        assert set(by_worker(port, good).values()) == {200}
        assert log.open_streams == WORKERS + 1

        log.end(session_id)
        until = time.monotonic() + PATIENCE_S
        while set(by_worker(port, good).values()) != {401}:
            assert time.monotonic() < until
        assert set(by_worker(port, token(key)).values()) == {200}
