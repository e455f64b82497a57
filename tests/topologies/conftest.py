"""A group that sentinels watch, and servers over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.engines import require_engine
from tests.rpc.logs import Log, captured
from tests.rpc.serving import Server, ServerLoop, make_settings, serve
from tests.topologies.sentinel_group import Group, start_group

ServeOn = Callable[..., AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def loop() -> Iterator[ServerLoop]:
    """The loop of all servers of this run."""
    servers = ServerLoop()
    yield servers
    servers.close()


@pytest.fixture
def log() -> Iterator[Log]:
    """What servers write during a test."""
    with captured() as lines:
        yield lines


@pytest.fixture(scope="session")
def running_group() -> Iterator[Group]:
    """One for all tests."""
    require_engine("redis7")
    with start_group() as started:
        yield started


@pytest.fixture
def group(running_group: Group) -> Group:
    """With all its nodes, whatever the test before did to them."""
    running_group.mend()
    return running_group


@pytest.fixture
def serve_on(loop: ServerLoop, tmp_path_factory: pytest.TempPathFactory) -> ServeOn:
    """Starts a server on a store, with the settings named."""

    def start(url: str, **settings: Any) -> AbstractContextManager[Server]:
        made = make_settings(Path(tmp_path_factory.mktemp("server")), url, **settings)
        return serve(loop, made)

    return start
