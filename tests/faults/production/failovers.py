"""Strikes that put another engine into the place of a primary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from sessiond.domain.ids import PARTITIONS, partition_of_user
from sessiond.store.keyspace import TAGS, slot_of_tag
from tests.faults.production.offsets import offsets_of
from tests.faults.production.stores import ClusterStore, GroupStore
from tests.faults.strikes import Failover, Scene, Strike
from tests.topologies.cluster import ClusterNode
from tests.topologies.nodes import Node
from tests.topologies.sentinel_group import Group

_LAGS_S: Final = (0.2, 0.5)
"""For how long nothing reaches the replicas."""
_UNSEEN_S: Final = 1.2
"""Until sentinels take a replica for down that hangs, and do not choose it."""


async def group_handed_over(scene: Scene[GroupStore]) -> int:
    """The sentinels are told to fail over (SENTINEL FAILOVER)."""
    return await _in_group(scene, Group.hand_over)


async def group_primary_killed(scene: Scene[GroupStore]) -> int:
    """The primary is killed (SIGKILL)."""
    return await _in_group(scene, Group.kill_primary)


async def group_primary_killed_far_ahead(scene: Scene[GroupStore]) -> int:
    """Its replicas have heard nothing of it for a while, and it is killed."""
    arena = scene.arena

    @asynccontextmanager
    async def alone(_: Node) -> AsyncIterator[None]:
        await arena.do(arena.store.group.cut_replicas)
        await asyncio.sleep(scene.dice.uniform(*_LAGS_S))
        yield

    return await _in_group(scene, Group.kill_primary, alone)


async def group_primary_killed_with_a_replica_hung(scene: Scene[GroupStore]) -> int:
    """One of its replicas is stopped (SIGSTOP) meanwhile, and it is killed."""
    arena = scene.arena

    @asynccontextmanager
    async def beside(_: Node) -> AsyncIterator[None]:
        replica = scene.dice.choice(await arena.do(lambda: arena.store.group.replicas))
        replica.hang()
        try:
            await asyncio.sleep(_UNSEEN_S)
            yield
        finally:
            replica.go_on()

    return await _in_group(scene, Group.kill_primary, beside)


async def group_primary_hung(scene: Scene[GroupStore]) -> int:
    """The primary is stopped (SIGSTOP), replaced, and goes on as if nothing had been."""

    def hang(group: Group) -> Node:
        old, new = group.hang_primary()
        old.go_on()
        return new

    return await _in_group(scene, hang)


@asynccontextmanager
async def _as_it_is(_: object) -> AsyncIterator[None]:
    yield


async def _in_group(
    scene: Scene[GroupStore],
    change: Callable[[Group], Node],
    under: Callable[[Node], AbstractAsyncContextManager[None]] = _as_it_is,
) -> int:
    group, do = scene.arena.store.group, scene.arena.do
    old = await do(lambda: group.primary)
    async with offsets_of(old.engine) as offsets, under(old):
        new = await do(change, group)
    told = await do(new.replication)
    since = offsets.kept_until(told)
    if since is None:
        return 0
    scene.failovers.append(Failover(told["master_replid"], since))
    return 1


async def cluster_handed_over(scene: Scene[ClusterStore]) -> int:
    """A replica takes its primary's place in order (CLUSTER FAILOVER): nothing may be lost."""
    cluster, do = scene.arena.store.cluster, scene.arena.do
    heir = await do(cluster.swap, scene.dice.choice(await do(cluster.primaries)))
    scene.failovers.append(Failover((await do(heir.replication))["master_replid"]))
    return 1


async def cluster_primary_killed(scene: Scene[ClusterStore]) -> int:
    """One of the primaries is killed (SIGKILL)."""
    return await _in_cluster(scene, _as_it_is)


async def cluster_primary_killed_far_ahead(scene: Scene[ClusterStore]) -> int:
    """Its replica has heard nothing of it for a while, and it is killed."""
    arena = scene.arena

    @asynccontextmanager
    async def alone(primary: ClusterNode) -> AsyncIterator[None]:
        cluster = arena.store.cluster
        replica = await arena.do(cluster.replica_of, primary)
        async with arena.held(cluster.cut_off(replica, primary)):
            await asyncio.sleep(scene.dice.uniform(*_LAGS_S))
            yield

    return await _in_cluster(scene, alone)


async def _in_cluster(
    scene: Scene[ClusterStore], under: Callable[[ClusterNode], AbstractAsyncContextManager[None]]
) -> int:
    cluster, do = scene.arena.store.cluster, scene.arena.do
    old = scene.dice.choice(await do(cluster.primaries))
    heir, held = await do(cluster.replica_of, old), await do(_partitions_of, old)
    async with offsets_of(old.engine) as offsets, under(old):
        await do(old.engine.kill9)
        await do(cluster.take_over)
    told = await do(heir.replication)
    since = offsets.kept_until(told)
    if since is None:
        return 0
    scene.failovers.append(
        Failover(told["master_replid"], since, lambda user: partition_of_user(user) in held)
    )
    return 1


def _partitions_of(primary: ClusterNode) -> frozenset[int]:
    return frozenset(p for p in range(PARTITIONS) if primary.holds(slot_of_tag(TAGS[p])))


OF_GROUP: Final[tuple[Strike[GroupStore], ...]] = (
    group_primary_killed_far_ahead,
    group_handed_over,
    group_primary_killed,
    group_primary_killed_with_a_replica_hung,
    group_primary_hung,
)
OF_CLUSTER: Final[tuple[Strike[ClusterStore], ...]] = (
    cluster_primary_killed_far_ahead,
    cluster_handed_over,
    cluster_primary_killed,
)
