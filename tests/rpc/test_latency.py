"""How long a login takes on the idle server."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from tests.rpc.calls import Api
from tests.rpc.process import called, sessiond

CALLS = 200
P99_S = 0.1
ATTEMPTS = 2
"""The box is shared: one more measurement, if the first was disturbed."""


def _logins(api: Api) -> list[float]:
    """Seconds of each login; each evicts a session."""
    took = []
    for _ in range(CALLS):
        started = time.perf_counter()
        answer = api.create("alice")
        took.append(time.perf_counter() - started)
        assert len(answer.evicted_sessions) == 1
    return sorted(took)


def test_a_login_that_evicts_takes_under_100_ms_at_p99(tmp_path: Path) -> None:
    """Over 200 logins, one after the other, against a process of its own and its engine."""
    with sessiond(tmp_path, "--dev", listen="127.0.0.1:0", log_format="json") as server:
        server.wait_until_welcome()
        with called(server.address, server.token) as api:
            for _ in range(10):
                api.create("alice")
            for _ in range(ATTEMPTS):
                took = _logins(api)
                p99 = took[CALLS * 99 // 100 - 1]
                median = statistics.median(took)
                print(f"login: p50 {median * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms", end=" ")  # noqa: T201
                if p99 < P99_S:
                    break
    assert p99 < P99_S
