"""Whoever goes past all users or keys of a cluster, while slots move."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count, islice

from sessiond.domain.drift import DriftKind
from sessiond.domain.ids import PARTITIONS, partition_of_user
from sessiond.domain.session import EndReason
from sessiond.store.keyspace import slot_of_key
from sessiond.store.scripts import Store
from sessiond.store.walk import Place, UserWalk
from tests.conftest import rounds
from tests.store.auditing import drifts
from tests.store.inside import Inside, scripts_of
from tests.store.kit import ALICE, HOUR, as_request, login
from tests.topologies.cluster import Cluster

CROWDED = 7
STEP = 20


def _users_of(partition: int) -> Iterator[str]:
    return (u for u in (f"user-{i}" for i in count()) if partition_of_user(u) == partition)


async def _crowd(inside: Inside, size: int) -> set[str]:
    """Put users into the index of one partition: a walk looks at nothing else."""
    crowd = list(islice(_users_of(CROWDED), size))
    await asyncio.gather(*(inside.ask("ZADD", inside.keys.users(CROWDED), 1, u) for u in crowd))
    return set(crowd)


async def test_a_walk_names_everybody_though_their_slot_moves(
    cluster: Cluster, inside: Inside
) -> None:
    """Cursors of one node mean nothing to another. Within one walk nobody is named twice."""
    crowd, slot = await _crowd(inside, 600), slot_of_key(inside.keys.users(CROWDED))
    walk = UserWalk(scripts_of(inside), step=STEP)
    for _ in range(rounds(2)):
        named: list[str] = []
        moves = 0
        async for page in walk.pages(rests=False):
            named += page.users
            if page.partition == CROWDED and len(named) > 200 * (moves + 1) and moves < 2:
                cluster.move(slot, cluster.other_than(slot))
                moves += 1
        assert moves == 2
        assert sorted(named) == sorted(crowd)


async def test_a_resumed_walk_names_everybody_that_the_first_one_did_not(
    cluster: Cluster, inside: Inside
) -> None:
    """Also from a place that another node gave."""
    crowd, slot = await _crowd(inside, 600), slot_of_key(inside.keys.users(CROWDED))
    walk = UserWalk(scripts_of(inside), step=STEP)
    named: set[str] = set()
    text = ""
    async for page in walk.pages(rests=False):
        named |= set(page.users)
        if len(named) > 200:
            text = str(page.next)
            break
    cluster.move(slot, cluster.other_than(slot))
    async for page in walk.pages(Place.parse(text), rests=False):
        named |= set(page.users)
    assert named == crowd


async def test_a_move_is_no_drift(cluster: Cluster, store: Store, inside: Inside) -> None:
    """It shifts TTLs by what it takes, and by what clocks differ; nothing else changes."""
    await login(store, request=as_request("again"))
    brief = await login(store, idle_ms=HOUR)
    ended = await login(store)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    slot = slot_of_key(inside.keys.of_user(ALICE))
    scripts = scripts_of(inside)
    before = await inside.snapshot()
    for shift_ms in (0, -4_000, 4_000):
        cluster.move(slot, cluster.other_than(slot))
        for session in (brief, ended):
            runs_out = await inside.expires_ms(session.id)
            await inside.ask("PEXPIREAT", inside.key(session.id), runs_out + shift_ms)
        assert await drifts(scripts, repair=True) == {}
    after = await inside.snapshot()
    assert {key: kept for key, (kept, _) in after.items()} == {
        key: kept for key, (kept, _) in before.items()
    }


async def test_an_audit_sees_the_keys_of_every_node(store: Store, inside: Inside) -> None:
    """What is wrong in any of them is found, and repaired where it is."""
    users = [next(_users_of(partition)) for partition in range(PARTITIONS)]
    await asyncio.gather(*(login(store, user) for user in users))
    scripts = scripts_of(inside)
    await inside.delete(*(inside.keys.of_user(user) + f"u:default:{user}" for user in users))
    found = await drifts(scripts, repair=True)
    assert found[DriftKind.LIVE_ENTRY_MISSING].found == PARTITIONS
    assert await drifts(scripts, repair=False) == {}
