"""A client that was used before a fork is usable after it, on both sides."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

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


HANGS: Final = "nothing, and was killed"
DIED: Final = "nothing, and died"


def test_a_client_used_before_a_fork_works_in_child_and_parent(service: FakeService) -> None:
    assert fork(service, "sync") == ["ok"] * (ROUNDS + 1)


@pytest.mark.parametrize("kind", ["aio", "both"])
def test_an_asyncio_client_used_before_a_fork_works_in_most_children(
    service: FakeService, kind: str
) -> None:
    """gRPC for asyncio hangs in some, on a busy machine in one of hundreds."""
    *children, parent = fork(service, kind)

    assert parent == "ok"
    assert [said for said in children if said not in ("ok", HANGS)] == []
    assert children.count("ok") >= ROUNDS - 2


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
    """Also while its loop does not run, unless gRPC has ended the child at the fork itself."""
    FakeLog(service)

    child, parent = fork(service, "open-stream")

    assert "when the process forked" in child or child == DIED
    assert parent == "ok"


def test_a_fork_from_within_the_running_loop_says_what_is_wrong(service: FakeService) -> None:
    *children, parent = fork(service, "inside-loop")

    assert len(children) == ROUNDS
    assert all("when the process forked" in said for said in children)
    assert parent == "ok"
