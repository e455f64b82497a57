"""What happens to a cluster under load: each returns once the cluster is whole again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias

from sessiond.store.keyspace import TAGS, slot_of_tag
from tests.topologies.cluster import Cluster

SLOTS_MOVED: Final = 4
_Act: TypeAlias = Callable[[Cluster, random.Random], Awaitable[None]]


class Strike(NamedTuple):
    """What is done, and whether all that was acknowledged must outlive it."""

    act: _Act
    durable: bool

    def __str__(self) -> str:
        return self.act.__name__.replace("_", " ")


async def slots_move_key_by_key(cluster: Cluster, dice: random.Random) -> None:
    """As redis-cli --cluster reshard does it."""
    for slot in _some_slots(dice):
        await asyncio.to_thread(cluster.move, slot, cluster.other_than(slot))


async def slots_move_whole(cluster: Cluster, dice: random.Random) -> None:
    """By the engine itself, each at one moment; where it cannot, key by key."""
    move = cluster.move_whole if cluster.moves_whole else cluster.move
    for slot in _some_slots(dice):
        await asyncio.to_thread(move, slot, cluster.other_than(slot))


async def a_replica_takes_over_in_order(cluster: Cluster, dice: random.Random) -> None:
    """As before maintenance: the primary waits for it."""
    await asyncio.to_thread(cluster.swap, dice.choice(cluster.primaries()))


async def a_primary_crashes(cluster: Cluster, dice: random.Random) -> None:
    """SIGKILL; its replica takes over, and it comes back as one."""
    dice.choice(cluster.primaries()).engine.kill9()
    await asyncio.to_thread(cluster.take_over)


STRIKES: Final = (
    Strike(slots_move_key_by_key, durable=True),
    Strike(slots_move_whole, durable=True),
    Strike(a_replica_takes_over_in_order, durable=True),
    Strike(a_primary_crashes, durable=False),
)


def _some_slots(dice: random.Random) -> list[int]:
    return [slot_of_tag(tag) for tag in dice.sample(TAGS, SLOTS_MOVED)]
