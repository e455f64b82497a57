"""A verifier that was at work before a fork works on both sides of it."""

from __future__ import annotations

import os
import subprocess
import sys

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keys import TokenKey
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService
from tests.client.verifier import forking
from tests.client.verifier.access import USER, token

ROUNDS = 10


def test_a_child_begins_anew_and_the_parent_goes_on(
    service: FakeService, log: FakeLog, key: TokenKey
) -> None:
    """Each child takes a snapshot over a stream of its own; the parent keeps its first one."""
    ended = new_session_id(USER)
    log.end(ended)

    forked = subprocess.run(
        [
            *(sys.executable, "-m", forking.__name__),
            *(service.address, str(ROUNDS), token(key), token(key, ended)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        check=False,
        env={k: v for k, v in os.environ.items() if k != "GRPC_ENABLE_FORK_SUPPORT"},
    )

    assert forked.stdout.splitlines() == ["ok"] * (ROUNDS + 1)
    assert forked.returncode == 0
    assert log.cursors == [""] * (ROUNDS + 1)
    assert len({each.peer for each in service.received["WatchSessions"]}) == ROUNDS + 1
