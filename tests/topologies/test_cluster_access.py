"""A cluster that asks who comes, and that proves who it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store.access import Access
from sessiond.store.connect import open_link, tails
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits
from sessiond.store.runner import ScriptRunner
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.engines import require_engine
from tests.store.kit import ENDS, PROFILES, login
from tests.store_users import PASSWORD, USER, Guard, assert_no_more_is_allowed, refused_by
from tests.topologies.cluster import Cluster, start_cluster

PREFIX = "guarded"
_STEPS = 10


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Every node speaks TLS alone, and knows the shipped users alone."""
    require_engine("redis7")
    guard = Guard.around(tmp_path_factory.mktemp("users"), f"{PREFIX}:*", strict=True)
    with start_cluster("redis7", tls=True, guard=guard) as cluster:
        for node in cluster.nodes:
            node.ask("ACL", "SETUSER", "default", "off")
        yield cluster


async def test_every_node_is_reached_over_tls_as_a_user(guarded: Cluster) -> None:
    """For calls and for the reader of all logs; each node is verified."""
    access, limits = Access(USER, PASSWORD, ca_file=guarded.ca_file), LinkLimits()
    runner = ScriptRunner(open_link(guarded.url, limits, access))
    scripts = ScriptSet(runner, Keyspace(PREFIX), ENDS)
    store = Store(scripts)
    await store.register(PROFILES)
    tail = tails(guarded.url, limits, access, scripts)()
    await tail.begin()
    sessions = {(await login(store, f"user-{i}")).id for i in range(20)}
    while sessions:
        for stretch in (await tail.read()).stretches:
            sessions -= {event.session_id for event in stretch.events}
    await tail.close()
    await runner.close()
    assert not any(refused_by(node.ask) for node in guarded.nodes)


async def test_replicas_have_a_user_of_their_own(guarded: Cluster) -> None:
    """Which follows after a failover too; sessiond's is not let into replication."""
    guarded.swap(guarded.primaries()[0])
    guarded.until_replicated()
    for node in guarded.nodes:
        assert not refused_by(node.ask)
        assert_no_more_is_allowed(node.engine)


@pytest.mark.parametrize(
    ("user", "password", "trusted"),
    [("", "", True), (USER, "wrong", True), (USER, PASSWORD, False)],
    ids=["nobody", "a wrong password", "an unknown authority"],
)
async def test_who_does_not_fit_gets_nowhere(
    guarded: Cluster, user: str, password: str, trusted: bool
) -> None:
    """The store is unavailable."""
    ca_file = guarded.ca_file if trusted else None
    access = Access(user or None, password or None, ca_file=ca_file)
    runner = ScriptRunner(open_link(guarded.url, LinkLimits(), access))
    with pytest.raises(StoreUnavailableError):
        await runner.command("EXISTS", "{a}")
    await runner.close()
    for _ in range(_STEPS):  # in which the loop closes what TLS has refused
        await asyncio.sleep(0)
