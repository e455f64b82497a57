"""What every suite shares: the engines, one process of each per run, and how many rounds to run."""

from __future__ import annotations

import gc
import os
import signal
import socketserver
from collections.abc import Iterator
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.commands import Command, runner
from tests.engines import (
    ENGINES,
    Engine,
    RealEngine,
    require_engine,
    start_engine,
    start_real_engine,
)
from tests.rpc.serving import ServerLoop

FAULTS: Final = "tests/faults/"

# fakeredis' TCP server sends each reply by itself: Nagle's algorithm would hold back the second.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True


# A shell's background job ignores SIGINT, and so would the processes that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Deals out files among processes (pytest -n), and all races and faults to one of them.

    Their fixtures are made once, and of the tests that are held to times but one runs at a time.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return FAULTS if file.startswith(FAULTS) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """How tests are dealt out."""
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tests marked `sampled` run one of SAMPLE."""
    sampled = [item for item in items if item.get_closest_marker("sampled")]
    left_out = set(sampled) - set(sampled[:: int(os.environ.get("SAMPLE") or 1)])
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Leave out of every later garbage collection what is there by now: all tests, and it stays."""
    gc.collect()
    gc.freeze()


def rounds(default: int) -> int:
    """How often a random or racing test repeats: ROUNDS, or a small default; printed."""
    count = int(os.environ.get("ROUNDS") or default)
    print(f"rounds: {count}", end=" ")  # noqa: T201  shown with -s and with failures
    return count


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine in turn; one that is missing skips, or fails where all are required."""
    require_engine(request.param)
    with start_engine(request.param) as started:
        yield started


@pytest.fixture(scope="session")
def loop() -> Iterator[ServerLoop]:
    """The loop of all servers that run in this process."""
    servers = ServerLoop()
    yield servers
    servers.close()


@pytest.fixture
def mortal() -> Iterator[RealEngine]:
    """An engine of the test's own, which forgets everything when it is stopped."""
    require_engine("valkey")
    with start_real_engine("valkey") as started:
        yield started


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command of sessiond in this process; exit status or last words, output and errors."""
    return runner(monkeypatch, capsys)
