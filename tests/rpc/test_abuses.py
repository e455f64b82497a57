"""Whatever a client does to the protocol, the server lives, stays small, and serves the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from tests.conftest import rounds
from tests.engines import require_engine
from tests.rpc.abuses import ABUSES
from tests.rpc.calls import Api
from tests.rpc.process import Sessiond, sessiond

ROUNDS = 3
OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
PATIENCE_S = 60.0
"""Of another caller: on a busy machine a flood takes its time."""
WARM_UP = 4
"""What the first ones make grow is there to be used again."""
MOST_GROWN = 64 * 2**20
"""After that: what a few thousand calls or connections would take if they were kept."""
MOST_HELD = {"grpc": 256 * 2**20, "native": 1024 * 2**20}
"""At any moment. Natively messages that are far too large are held as long as they come."""


@pytest.fixture(scope="module", params=["grpc", "native"])
def transport(request: pytest.FixtureRequest) -> str:
    """Each in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def victim(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sessiond]:
    """A server of each transport."""
    require_engine("valkey")
    settings = {"listen": "127.0.0.1:0", "log_format": "json", "transport": transport}
    with sessiond(tmp_path_factory.mktemp("victim"), "--dev", **settings) as process:
        process.wait_until_welcome()
        yield process


@contextmanager
def another_caller(process: Sessiond) -> Iterator[list[str]]:
    """Somebody who calls without a pause; what the calls ended with."""
    ended: list[str] = []
    told = threading.Event()

    def call() -> None:
        with grpc.insecure_channel(process.address, [OWN_CONNECTION]) as channel:
            api = Api(channel, process.token, timeout_s=PATIENCE_S)
            while not told.is_set():
                ended.append(outcome(api))
            ended.append(outcome(api))

    caller = threading.Thread(target=call)
    caller.start()
    try:
        yield ended
    finally:
        told.set()
        caller.join()


def outcome(api: Api) -> str:
    """The status of a call that has to do with the store."""
    try:
        api.list("alice")
    except grpc.RpcError as error:
        return str(error)
    return "OK"


@pytest.mark.parametrize("abuse", ABUSES)
def test_an_abuse_harms_nobody_else(victim: Sessiond, transport: str, abuse: str) -> None:
    """No crash, no growth of memory, and others are served meanwhile and afterwards."""
    times, first = rounds(ROUNDS), victim.memory()
    victim.forget_peak()
    for _ in range(WARM_UP):
        ABUSES[abuse](victim.address, 2)
    before = victim.memory()
    with another_caller(victim) as ended:
        for _ in range(times):
            ABUSES[abuse](victim.address, 2)
    peak, grown = victim.peak_memory() - first, victim.memory() - before
    grew = f"{grown / 2**20:.1f} MB, at most {peak / 2**20:.1f} MB"
    print(f"{len(ended)} calls beside, grew by {grew}", end=" ")  # noqa: T201
    assert victim.process.poll() is None
    assert set(ended) == {"OK"}
    assert all(line.startswith("{") for line in victim.errors.read_text().splitlines())
    assert grown < MOST_GROWN
    assert peak < MOST_HELD[transport]
