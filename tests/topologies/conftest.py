"""Stores of more than one node, one of each kind per run."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from sessiond.store.scripts import Store
from tests.engines import RealName, require_engine
from tests.store.inside import Inside, open_store
from tests.store.kit import PROFILES
from tests.topologies.cluster import Cluster, start_cluster

CLUSTER_ENGINES: tuple[RealName, ...] = ("redis7", "valkey")


@pytest.fixture(scope="session", params=CLUSTER_ENGINES)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Six nodes of each engine in turn; whoever breaks something mends it."""
    require_engine(request.param)
    with start_cluster(request.param) as started:
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
