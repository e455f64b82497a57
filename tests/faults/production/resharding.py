"""Strikes that give slots of a cluster to another of its nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from sessiond.store.keyspace import TAGS, slot_of_tag
from tests.faults.production.stores import ClusterStore
from tests.faults.strikes import Scene, Strike
from tests.topologies.cluster import Cluster

_LOOKED_AT: Final = 16
_MOVED: Final = 3
_PAUSE_S: Final = (0.02, 0.8)
"""Shorter and longer than a call may take: some wait for their partition, and are answered."""


async def slots_moved_key_by_key(scene: Scene[ClusterStore]) -> int:
    """Some slots go to other nodes by MIGRATE, the half of their keys first; how many keys."""
    cluster, do, dice = scene.arena.store.cluster, scene.arena.do, scene.dice
    moved = 0
    for slot in await do(_fullest, cluster, dice.sample(TAGS, _LOOKED_AT)):
        target = await do(cluster.other_than, slot)
        source = await do(cluster.open_move, slot, target)
        half = await do(source.count_of, slot) // 2
        moved += await do(cluster.move_keys, slot, target, leave=half)
        await asyncio.sleep(dice.uniform(*_PAUSE_S))
        moved += await do(cluster.finish_move, slot, target)
    return moved


async def slots_moved_whole(scene: Scene[ClusterStore]) -> int:
    """Some slots go to other nodes at one moment each, as Valkey 9 can; how many keys."""
    cluster, do, dice = scene.arena.store.cluster, scene.arena.do, scene.dice
    moved = 0
    for slot in await do(_fullest, cluster, dice.sample(TAGS, _LOOKED_AT)):
        target = await do(cluster.other_than, slot)
        await do(cluster.move_whole, slot, target)
        moved += await do(target.count_of, slot)
    return moved


def _fullest(cluster: Cluster, tags: Iterable[str]) -> list[int]:
    """The slots of these tags that have most keys."""
    slots = map(slot_of_tag, tags)
    return sorted(slots, key=lambda slot: -cluster.holder(slot).count_of(slot))[:_MOVED]


OF_SLOTS: Final[tuple[Strike[ClusterStore], ...]] = (slots_moved_key_by_key, slots_moved_whole)
