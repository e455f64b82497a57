"""A client that was used before a fork is usable after it, on both sides."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.client import forking
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService

ROUNDS = 10


def fork(service: FakeService, kind: str) -> list[str]:
    environment = {k: v for k, v in os.environ.items() if k != "GRPC_ENABLE_FORK_SUPPORT"}
    forked = subprocess.run(
        [sys.executable, "-m", forking.__name__, service.address, kind, str(ROUNDS)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        env=environment,
        check=False,
    )
    assert forked.returncode == 0
    return forked.stdout.splitlines()


@pytest.mark.parametrize("kind", ["sync", "aio", "both"])
def test_a_client_used_before_a_fork_works_in_child_and_parent(
    service: FakeService, kind: str
) -> None:
    assert fork(service, kind) == ["ok"] * (ROUNDS + 1)


def test_a_child_has_a_connection_of_its_own_and_leaves_its_parents_alone(
    service: FakeService,
) -> None:
    fork(service, "sync")

    peers: dict[str, set[str]] = {}
    for received in service.received["GetSession"]:
        peers.setdefault(received.request.session_id, set()).add(received.peer)
    assert len(peers) == ROUNDS + 1
    seen = [peer for each in peers.values() for peer in each]
    assert len(seen) == len(set(seen))


def test_a_fork_beside_an_open_stream_says_what_is_wrong(service: FakeService) -> None:
    """Also while its loop does not run: gRPC would hang in the child."""
    FakeLog(service)

    child, parent = fork(service, "open-stream")

    assert "when the process forked" in child
    assert parent == "ok"


def test_a_fork_from_within_the_running_loop_says_what_is_wrong(service: FakeService) -> None:
    *children, parent = fork(service, "inside-loop")

    assert len(children) == ROUNDS
    assert all("when the process forked" in said for said in children)
    assert parent == "ok"
