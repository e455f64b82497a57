"""A store on each engine, with nothing in it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from sessiond.service.statistics import Statistician
from sessiond.store.link import LinkLimits
from sessiond.store.multiplexer import Multiplexer
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from tests.engines import ENGINES, Engine, Reachable, require_engine, start_engine
from tests.store.counting import Counting
from tests.store.inside import Inside, open_store, scripts_of
from tests.store.kit import PROFILES
from tests.store.lists import statistician_of
from tests.store.newcomers import OldSystem, old_system
from tests.topologies.cluster import Cluster, start_cluster

CLUSTER: Final = "cluster"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is about the connection to one engine does not run on a cluster."""
    senseless = [item for item in items if item.get_closest_marker("one_node") and _on(item)]
    config.hook.pytest_deselected(items=senseless)
    items[:] = [item for item in items if item not in set(senseless)]


def _on(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    return call is not None and call.params.get("engine") == CLUSTER


@pytest.fixture(scope="session")
def whole_cluster() -> Iterator[Cluster]:
    """Started once: engines change from file to file."""
    require_engine("redis7")
    with start_cluster("redis7") as started:
        yield started


@pytest.fixture(
    scope="session",
    params=[
        # What these do differently shows in a few tests of any kind.
        pytest.param(name, marks=pytest.mark.sampled if name in ("redis8", CLUSTER) else ())
        for name in (*ENGINES, CLUSTER)
    ],
)
def engine(request: pytest.FixtureRequest) -> Iterator[Reachable]:
    """Each engine in turn, and a cluster; one that is missing skips, or fails where it must be."""
    if request.param == CLUSTER:
        yield request.getfixturevalue("whole_cluster")
        return
    require_engine(request.param)
    with start_engine(request.param) as started:
        yield started


@pytest.fixture(scope="session")
def prefix(engine: Engine) -> str:
    """A prefix of this run's own, registered once: 64 scripts take fakeredis 0.15 s."""
    fresh = f"t{uuid.uuid4().hex[:12]}"

    async def register() -> None:
        store, inside = open_store(engine, fresh)
        await store.register(PROFILES)
        await inside.runner.close()

    asyncio.run(register())
    return fresh


@pytest.fixture
async def opened(engine: Engine, prefix: str) -> AsyncIterator[tuple[Store, Inside]]:
    """The store and its inside, closed afterwards."""
    store, inside = open_store(engine, prefix)
    await inside.wipe()
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


@pytest.fixture
def scripts(inside: Inside) -> ScriptSet:
    """The scripts of the store, for typed calls beside `Store`."""
    return scripts_of(inside)


@pytest.fixture
def statistician(scripts: ScriptSet) -> Statistician:
    """The use cases that look at all sessions."""
    return statistician_of(scripts)


@pytest.fixture
def transfer(scripts: ScriptSet) -> TransferStore:
    """What moves sessions in and out of the store."""
    return TransferStore(scripts)


@pytest.fixture
async def old(inside: Inside) -> OldSystem:
    """Another system, whose sessions come in."""
    return await old_system(inside)


@pytest.fixture
async def counting(engine: Engine) -> AsyncIterator[tuple[Multiplexer, Counting]]:
    """A link over connections that count."""
    made = Counting(engine.url)
    link = Multiplexer(made, LinkLimits())
    yield link, made
    await link.close()
