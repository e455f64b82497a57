"""Endings that replicas have heard of: how many, and how long it takes to say so."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from sessiond.domain.session import EndReason, Session
from sessiond.store.connect import node_finder, open_link
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits
from sessiond.store.replica_wait import ReplicaWait, WaitPolicy
from sessiond.store.runner import ScriptRunner
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.engines import RealName, require_engine
from tests.store.kit import ALICE, ENDS, PROFILES, login, stranger_to
from tests.topologies.cluster import Cluster
from tests.topologies.conftest import ServeOn
from tests.topologies.nodes import HOST, Node, eventually, start_nodes
from tests.topologies.sentinel_group import Group

LIMITS: Final = LinkLimits(connect_s=2, read_s=2)
LONG_S: Final = 30.0
"""Longer than a test: an answer that comes was not waited for in vain."""
SHORT_S: Final = 0.3
TRIES: Final = 3
"""Endings of which one, on a busy machine, is confirmed in time by replicas that follow."""
SLACK_S: Final = 2.0


@pytest.fixture(scope="module", params=["redis7", "valkey", "redis8"])
def nodes(request: pytest.FixtureRequest) -> Iterator[list[Node]]:
    """A primary and two replicas of it."""
    name: RealName = request.param
    require_engine(name)
    shared = {"repl-diskless-sync-delay": "0"}
    with start_nodes(name, [shared]) as (primary,):
        following = {**shared, "replicaof": f"{HOST} {primary.port}"}
        with start_nodes(name, [following] * 2) as replicas:
            eventually(lambda: all(r.replication()["master_link_status"] == "up" for r in replicas))
            yield [primary, *replicas]


class Ending:
    """A store whose endings are confirmed."""

    def __init__(self, url: str, replicas: int, timeout_s: float) -> None:
        self.runner = ScriptRunner(open_link(url, LIMITS))
        self.scripts = ScriptSet(self.runner, Keyspace(f"t{uuid.uuid4().hex[:12]}"), ENDS)
        self.store = Store(self.scripts)
        finder = node_finder(url, LIMITS)
        self.wait = ReplicaWait(finder, LIMITS, self.scripts, WaitPolicy(replicas, timeout_s))

    async def end(self, session: Session) -> int:
        """Revoke, and how many replicas have it."""
        await self.store.revoke(session.id, EndReason.LOGOUT, "app")
        return await self.wait.confirm((session.id,))


@asynccontextmanager
async def ending(url: str, *, replicas: int, timeout_s: float) -> AsyncIterator[Ending]:
    """Opened, and closed afterwards."""
    opened = Ending(url, replicas, timeout_s)
    await opened.store.register(PROFILES)
    try:
        yield opened
    finally:
        await opened.wait.close()
        await opened.runner.close()


def _url(nodes: list[Node]) -> str:
    return f"redis://{nodes[0].address}"


async def test_replicas_that_follow_confirm_at_once(nodes: list[Node]) -> None:
    """As soon as there are as many as were asked for; those who wait at once share a round."""
    for replicas in (1, 2):
        async with ending(_url(nodes), replicas=replicas, timeout_s=LONG_S) as store:
            users = (ALICE, stranger_to(ALICE), "bob")
            sessions = [await login(store.store, user) for user in users for _ in range(5)]
            counts = await asyncio.gather(*map(store.end, sessions))
            assert all(replicas <= count <= 2 for count in counts)
            assert sum(bool(node.ask("GET", _mark(store, ALICE))) for node in nodes[1:]) >= replicas


def _mark(store: Ending, user: str) -> str:
    return f"{store.scripts.keys.of_user(user)}mark"


async def test_replicas_that_hang_do_not_confirm(nodes: list[Node]) -> None:
    """One of two, then none; the session has ended all the same, and the time is kept."""
    _, first, second = nodes
    async with ending(_url(nodes), replicas=2, timeout_s=SHORT_S) as store:
        sessions = [await login(store.store) for _ in range(2 * TRIES)]
        hung: list[Node] = []
        try:
            for replica, confirmed in ((first, 1), (second, 0)):
                replica.hang()
                hung.append(replica)
                counts = []
                for _ in range(TRIES):
                    session = sessions.pop()
                    began = time.monotonic()
                    counts.append(await store.end(session))
                    assert SHORT_S <= time.monotonic() - began + 0.01 < SHORT_S + SLACK_S
                    found = await store.store.get(session.id)
                    assert found
                    assert found.session.end_reason is EndReason.LOGOUT
                assert max(counts) == confirmed
        finally:
            for replica in hung:
                replica.go_on()


async def test_a_bare_wait_on_another_connection_would_confirm_what_no_replica_has(
    nodes: list[Node],
) -> None:
    """It counts who has what its own connection wrote: nothing. Hence the mark."""
    _, first, second = nodes
    async with ending(_url(nodes), replicas=2, timeout_s=SHORT_S) as store:
        session = await login(store.store)
        other = open_link(_url(nodes), LIMITS)
        await other.send("PING")  # Redis 7.0 takes all that was written until then for its own
        while await store.end(await login(store.store)) < 2:
            pass  # those that hung before have to catch up
        first.hang()
        second.hang()
        try:
            await store.store.revoke(session.id, EndReason.LOGOUT, "app")
            assert await other.send("WAIT", 2, 100) == 2
            assert await store.wait.confirm((session.id,)) == 0
        finally:
            first.go_on()
            second.go_on()
        await other.close()


async def test_nobody_waits_for_those_who_wait_in_vain(nodes: list[Node]) -> None:
    """While a replica is away, each ending takes its own time and no more."""
    replica = nodes[1]
    async with ending(_url(nodes), replicas=2, timeout_s=SHORT_S) as store:
        sessions = [await login(store.store, f"user-{i}") for i in range(40)]
        replica.hang()
        took: list[float] = []

        async def end(session: Session) -> int:
            began = time.monotonic()
            count = await store.end(session)
            took.append(time.monotonic() - began)
            return count

        try:
            tasks = []
            for session in sessions:
                tasks.append(asyncio.create_task(end(session)))
                await asyncio.sleep(SHORT_S / 10)
            counts = await asyncio.gather(*tasks)
            assert set(counts) <= {0, 1}
            assert 1 in counts
        finally:
            replica.go_on()
        assert max(took) < SHORT_S + SLACK_S


async def test_what_is_not_ended_here_is_confirmed_by_nobody(nodes: list[Node]) -> None:
    """A live session, and one that this node has never heard of: a failover may be between."""
    async with ending(_url(nodes), replicas=1, timeout_s=LONG_S) as store:
        live, ended = await login(store.store), await login(store.store)
        assert await store.end(ended) >= 1
        assert await store.wait.confirm((live.id,)) == 0
        assert await store.wait.confirm((ended.id, live.id)) == 0
        assert await store.wait.confirm((live.id[:-4] + "AAAA",)) == 0
        assert await store.wait.confirm((ended.id, live.id[:-4] + "AAAA")) >= 1


async def test_a_full_engine_confirms(nodes: list[Node]) -> None:
    """A logout works without memory, and so does this."""
    async with ending(_url(nodes), replicas=2, timeout_s=LONG_S) as store:
        session = await login(store.store)
        nodes[0].ask("CONFIG", "SET", "maxmemory", 1)
        try:
            assert await store.end(session) == 2
        finally:
            nodes[0].ask("CONFIG", "SET", "maxmemory", 0)


async def test_a_broken_connection_is_made_again(nodes: list[Node]) -> None:
    """And scripts that the engine forgot are given to it again."""
    async with ending(_url(nodes), replicas=2, timeout_s=LONG_S) as store:
        for harm in (("CLIENT", "KILL", "TYPE", "normal"), ("SCRIPT", "FLUSH")):
            first, second = await login(store.store), await login(store.store)
            assert await store.end(first) == 2
            await store.store.revoke(second.id, EndReason.LOGOUT, "app")
            nodes[0].ask(*harm)
            assert await store.wait.confirm((second.id,)) == 2


async def test_an_ending_that_a_failover_lost_is_not_confirmed_by_the_new_primary(
    group: Group,
) -> None:
    """It has replicas that follow, and the session lives on all of them."""
    async with ending(group.url, replicas=1, timeout_s=5) as store:
        session = await login(store.store)
        await asyncio.to_thread(group.cut_replicas)
        await store.store.revoke(session.id, EndReason.LOGOUT, "app")
        await asyncio.to_thread(group.kill_primary)
        group.mend()  # in this thread: an engine ends with the one that started it
        assert await store.wait.confirm((session.id,)) == 0
        assert await store.end(session) >= 1


def test_callers_are_told_how_many_replicas_have_it(group: Group, serve_on: ServeOn) -> None:
    """In both answers, if the setting says so; nothing is said of what did not end."""
    with serve_on(group.url, store_wait_replicas=2, store_wait_timeout="10s") as server:
        api = server.api()
        first, second = (api.create("alice").session.session_id for _ in range(2))
        assert api.revoke(session_id=first).replicas_confirmed == 2
        assert api.revoke(session_id=first).replicas_confirmed == 2
        others = api.revoke_all("alice")
        assert (list(others.session_ids), others.replicas_confirmed) == ([second], 2)
        assert api.revoke_all("alice").HasField("replicas_confirmed") is False
        unknown = first[:-4] + "AAAA"
        assert not api.revoke(session_id=unknown).HasField("replicas_confirmed")
    with serve_on(group.url) as server:
        api = server.api()
        session_id = api.create("alice").session.session_id
        assert not api.revoke(session_id=session_id).HasField("replicas_confirmed")


async def test_on_a_cluster_each_ending_waits_at_its_own_node(cluster: Cluster) -> None:
    """Every primary has one replica, which has heard of it."""
    cluster.settle()
    async with ending(cluster.url, replicas=1, timeout_s=LONG_S) as opened:
        for number in range(12):
            session = await login(opened.store, f"user-{number}")
            assert await opened.end(session) == 1
