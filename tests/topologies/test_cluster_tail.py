"""The reader of all logs on a cluster whose slots move and whose nodes fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from sessiond.domain.errors import LogRewoundError, StoreUnavailableError
from sessiond.store.access import Access
from sessiond.store.connect import tails
from sessiond.store.keyspace import slot_of_key
from sessiond.store.link import LinkLimits
from tests.conftest import rounds
from tests.rpc.engines import hung
from tests.store.inside import Inside, scripts_of, until
from tests.store.kit import ALICE
from tests.store.logs import Following, following, write
from tests.topologies.cluster import Cluster

FEW = 5


@pytest.fixture
async def tail(cluster: Cluster, inside: Inside) -> AsyncIterator[Following]:
    """A tail on the cluster."""
    async with following(cluster, inside, LinkLimits()) as opened:
        yield opened


def far_from(cluster: Cluster, inside: Inside, user: str) -> str:
    """A user whose keys another node holds."""
    holder = cluster.holder(slot_of_key(inside.keys.of_user(user)))
    return next(
        other
        for other in (f"far-{i}" for i in range(1_000))
        if cluster.holder(slot_of_key(inside.keys.of_user(other))) is not holder
    )


async def reached(inside: Inside) -> None:
    """Wait until the link to the store has found a partition's new primary."""
    while True:
        with suppress(StoreUnavailableError):
            await inside.ask("EXISTS", inside.keys.of_user(ALICE))
            return


async def test_nothing_is_missed_while_slots_move(
    cluster: Cluster, inside: Inside, tail: Following
) -> None:
    """Key by key or at one moment: everything once and in order, and checkpoints go on after."""
    slot, written = slot_of_key(inside.keys.of_user(ALICE)), await write(inside, FEW)
    for number in range(rounds(3)):
        target = cluster.other_than(slot)
        if cluster.moves_whole and number % 2:
            await asyncio.to_thread(cluster.move_whole, slot, target)
        else:
            await asyncio.to_thread(cluster.move, slot, target)
        written += await write(inside, FEW)
        await tail.given(written)
        await tail.checkpoint()
        assert tail.sessions == written


async def test_a_slot_on_the_move_holds_up_no_other(
    cluster: Cluster, inside: Inside, tail: Following
) -> None:
    """Its partition is silent, and so are checkpoints; events of others are given at once."""
    slot, far = slot_of_key(inside.keys.of_user(ALICE)), far_from(cluster, inside, ALICE)
    written = await write(inside, FEW)
    await tail.given(written)
    target = cluster.other_than(slot)
    cluster.open_move(slot, target)
    cluster.move_keys(slot, target)
    await tail.read()
    before, begun_s = len(tail.checkpoints), time.monotonic()
    while time.monotonic() < begun_s + 1.5:
        written += await write(inside, 1, user=far)
        await tail.given(written)
    assert len(tail.checkpoints) == before
    cluster.close_move(slot, target)
    await tail.checkpoint()
    written += await write(inside, FEW)
    await tail.given(written)


async def test_a_node_that_is_away_holds_up_no_other(
    cluster: Cluster, inside: Inside, tail: Following
) -> None:
    """Until its replica has taken over; then nothing that was replicated is missed."""
    far = far_from(cluster, inside, ALICE)
    primary = cluster.holder(slot_of_key(inside.keys.of_user(ALICE)))
    written = await write(inside, FEW)
    primary.ask("WAIT", 1, 5_000)
    await tail.checkpoint()
    primary.engine.kill9()
    written += await write(inside, FEW, user=far)
    await tail.given(written)
    await asyncio.to_thread(cluster.take_over)
    await reached(inside)
    await cluster.mend()
    written += await write(inside, FEW)
    await tail.given(written)
    await tail.checkpoint()
    assert tail.reconnections > 0


async def test_a_failover_that_lost_events_is_told(
    cluster: Cluster, inside: Inside, tail: Following
) -> None:
    """Also where as many happened since."""
    primary = cluster.holder(slot_of_key(inside.keys.of_user(ALICE)))
    written = await write(inside, FEW)
    await tail.given(written)
    replica = cluster.replica_of(primary)
    with cluster.cut_off(replica, primary):
        written += await write(inside, FEW)
        await tail.given(written)
        primary.engine.kill9()
    await asyncio.to_thread(cluster.take_over)
    await reached(inside)
    await write(inside, FEW)
    with pytest.raises(LogRewoundError):
        await tail.until(lambda: False)
    await cluster.mend()


async def test_a_beginning_that_is_given_up_leaves_nothing_behind(
    cluster: Cluster, inside: Inside
) -> None:
    """No connection is still being made to a node that hangs."""
    tail = tails(cluster.url, LinkLimits(connect_s=30), Access(), scripts_of(inside))()
    with hung(cluster.primaries()[0].engine):
        before = asyncio.all_tasks()
        beginning = asyncio.create_task(tail.begin())

        async def nodes_are_asked() -> bool:
            await asyncio.sleep(0.001)
            return "TailNode.ends" in str(asyncio.all_tasks() - before)

        await until(nodes_are_asked)
        beginning.cancel()
        await asyncio.wait([beginning])
        await tail.close()
        left = asyncio.all_tasks() - before
    assert not left
    cluster.settle()
