"""Latency of the operations on an idle server with the embedded engine, one call after another.

Starts `sessiond serve --dev` in a directory of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from results import record, table
from sessionstore import ClientInfo, SessionClient

CALLS = 500
LISTEN = "127.0.0.1:7790"
BROWSER = ClientInfo(user_agent="x" * 117)


@contextmanager
def server() -> Iterator[SessionClient]:
    """A server of one's own, and a client of it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).parent / "sessiond"), "serve", "--dev"]
        process = subprocess.Popen(
            [*command, "--listen", LISTEN],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            for line in process.stdout or ():
                if line.startswith("try"):
                    break
            token_file = Path(folder) / ".sessiond" / "dev.token"
            with SessionClient(LISTEN, token_file=token_file) as client:
                yield client
        finally:
            process.terminate()
            process.wait(timeout=30)


def percentiles(call: Callable[[], object]) -> tuple[float, float, float]:
    """Median, p99 and maximum of a call, in milliseconds."""
    for _ in range(50):
        call()
    times = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1000)
    times.sort()
    return times[CALLS // 2], times[CALLS * 99 // 100], times[-1]


def measure(sessions: SessionClient) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Each operation; its answers are checked."""
    user = "bench"
    for _ in range(10):
        session = sessions.create(user, client=BROWSER)

    def login() -> None:
        made = sessions.create(user, client=BROWSER)
        assert len(made.evicted_sessions) == 1

    yield "CreateSession with an eviction", percentiles(login)

    session = sessions.create("other", client=BROWSER)
    session_id, refresh_token = session.session.id, session.tokens.refresh_token
    access_token = session.tokens.access_token

    def refresh() -> None:
        nonlocal refresh_token
        refreshed = sessions.refresh(refresh_token)
        assert refreshed.session.id == session_id
        refresh_token = refreshed.tokens.refresh_token

    def extend() -> None:
        assert sessions.extend(session_id).session.id == session_id

    def get() -> None:
        assert sessions.get(session_id).id == session_id

    def validate() -> None:
        assert sessions.validate(session_id=session_id).active

    def validate_token() -> None:
        assert sessions.validate(access_token=access_token).active

    yield "RefreshSession", percentiles(refresh)
    yield "ValidateSession by session id", percentiles(validate)
    yield "ValidateSession by access token, seen before", percentiles(validate_token)
    yield "ExtendSession", percentiles(extend)
    yield "GetSession", percentiles(get)


async def main(command: str) -> None:
    """Measure and record."""
    with server() as sessions:
        rows = [
            (name, *(f"{milliseconds:.2f}" for milliseconds in found))
            for name, found in measure(sessions)
        ]
    record(
        "Latency on the idle server",
        command,
        [
            f"{CALLS} calls each, one after another, SDK and server on one machine.",
            "",
            *table(("operation", "median ms", "p99 ms", "max ms"), rows),
        ],
    )
