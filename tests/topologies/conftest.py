"""Stores of more than one node, and servers over them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from sessiond.store.scripts import Store
from tests.engines import require_engine
from tests.rpc.logs import Log, captured
from tests.rpc.serving import KEY_PREFIX, Server, ServerLoop, make_settings, serve
from tests.store.inside import Inside, open_store
from tests.store.kit import PROFILES
from tests.store_users import Guard
from tests.topologies.cluster import Cluster, start_cluster
from tests.topologies.sentinel_group import Group, start_group

ServeOn = Callable[..., AbstractContextManager[Server]]


@pytest.fixture
def log() -> Iterator[Log]:
    """What servers write during a test."""
    with captured() as lines:
        yield lines


@pytest.fixture(scope="session")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Guard:
    """The shipped users, and to tests all is open."""
    return Guard.around(tmp_path_factory.mktemp("users"), f"{KEY_PREFIX}*")


@pytest.fixture(scope="session")
def running_group(guard: Guard) -> Iterator[Group]:
    """One for all tests."""
    require_engine("redis7")
    with start_group(guard=guard) as started:
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


@pytest.fixture(
    scope="session", params=["redis7", pytest.param("valkey", marks=pytest.mark.sampled)]
)
def cluster(request: pytest.FixtureRequest, guard: Guard) -> Iterator[Cluster]:
    """Six nodes of each engine in turn; whoever breaks something mends it."""
    require_engine(request.param)
    with start_cluster(request.param, guard=guard) as started:
        yield started


@pytest.fixture
async def opened(cluster: Cluster) -> AsyncIterator[tuple[Store, Inside]]:
    """A registered store without sessions on the cluster, and its inside."""
    await cluster.mend()
    store, inside = open_store(cluster, f"t{uuid.uuid4().hex[:12]}")
    await store.register(PROFILES)
    yield store, inside
    await inside.runner.close()


@pytest.fixture
def store(opened: tuple[Store, Inside]) -> Store:
    """A registered store with no sessions."""
    return opened[0]


@pytest.fixture
def inside(opened: tuple[Store, Inside]) -> Inside:
    """What is behind the store."""
    return opened[1]
