"""What a store makes of a cluster, its slots, and what happens to them."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from sessiond.domain.errors import OverloadedError, StoreUnavailableError
from sessiond.domain.ids import PARTITIONS
from sessiond.domain.session import EndReason, State
from sessiond.store.access import Access
from sessiond.store.checks import check_engine, clock_skew_s
from sessiond.store.connect import open_link
from sessiond.store.keyspace import CLUSTER_SLOTS, TAGS, slot_of_key, slot_of_tag
from sessiond.store.link import LinkLimits
from sessiond.store.replies import Found, Request
from sessiond.store.runner import ScriptRunner
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.engines import require_engine, start_real_engine
from tests.store.inside import Inside, open_store
from tests.store.kit import ALICE, PROFILES, login, refresh, stranger_to
from tests.topologies.cluster import PRIMARIES, Cluster

CALLER = "tests"


def slot_of(inside: Inside, user: str = ALICE) -> int:
    """The slot of a user's keys."""
    return slot_of_key(inside.keys.of_user(user))


@pytest.mark.parametrize("primaries", range(1, 17))
def test_partitions_are_spread_evenly(primaries: int) -> None:
    """Over any number of primaries that share the slots evenly, to within one partition."""
    share = -(-CLUSTER_SLOTS // primaries)
    held = Counter(slot_of_tag(tag) // share for tag in TAGS)
    print({primary: held[primary] for primary in range(primaries)})  # noqa: T201
    assert max(held.values()) - min(held[p] for p in range(primaries)) <= 1
    assert sum(held.values()) == PARTITIONS


@pytest.mark.parametrize("key", ["", "a", "{a}b", "a{b}c", "a{}b{c}", "{{a}b}", "{a", "a}", "ä{ü}"])
def test_slots_are_those_of_the_engine(cluster: Cluster, key: str) -> None:
    """Whatever braces a key has."""
    assert slot_of_key(key) == cluster.nodes[0].ask("CLUSTER", "KEYSLOT", key)


async def test_every_primary_holds_its_share(cluster: Cluster, inside: Inside) -> None:
    """Of the registration, which is in every partition."""
    nodes = await inside.runner.nodes(inside.keys.bases)
    assert len(nodes) == PRIMARIES
    held = [len(node.ask("KEYS", f"{inside.prefix}:*meta")) for node in cluster.primaries()]
    print(held)  # noqa: T201
    assert sum(held) == PARTITIONS
    assert max(held) - min(held) <= 1


async def test_a_cluster_is_checked_node_by_node(cluster: Cluster, inside: Inside) -> None:
    """What one of them has wrong is a fault, and what all lack is said once."""
    findings = await check_engine(inside.runner, inside.keys)
    assert findings.faults == []
    assert sum("appendonly" in warning for warning in findings.warnings) == 1
    assert await clock_skew_s(inside.runner, inside.keys) < 1
    wrong = cluster.primaries()[-1]
    wrong.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        findings = await check_engine(inside.runner, inside.keys)
    finally:
        wrong.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert len(findings.faults) == 1


async def test_one_node_that_answers_is_enough_to_begin_with(
    cluster: Cluster, inside: Inside
) -> None:
    """It names the others; replicas do too."""
    for node in cluster.nodes:
        link = open_link(f"redis+cluster://127.0.0.1:1,127.0.0.1:{node.port}", LinkLimits())
        runner = ScriptRunner(link)
        assert await runner.command("EXISTS", inside.keys.meta(63)) == 1
        await runner.close()


async def test_a_store_that_is_no_cluster_is_unavailable() -> None:
    """Nobody there, or somebody who knows no slots; the message says which."""
    require_engine("redis7")
    with start_real_engine("redis7", tls=True) as engine:
        port = engine.tls_port
        for url, why in (
            (f"rediss+cluster://127.0.0.1:{port}", "no cluster"),
            ("redis+cluster://127.0.0.1:1", "broke"),
        ):
            runner = ScriptRunner(open_link(url, LinkLimits(), Access(ca_file=engine.ca_file)))
            with pytest.raises(StoreUnavailableError, match=why):
                await runner.command("EXISTS", "{a}")
            await runner.close()


async def test_the_url_of_one_node_does_not_reach_a_cluster(cluster: Cluster) -> None:
    """The message names the way."""
    runner = ScriptRunner(open_link(f"redis://127.0.0.1:{cluster.nodes[0].port}", LinkLimits()))
    with pytest.raises(StoreUnavailableError, match="cluster"):
        await asyncio.gather(*(runner.command("EXISTS", f"{{{tag}}}") for tag in TAGS))
    await runner.close()


async def test_a_slot_that_moved_is_followed(
    cluster: Cluster, store: Store, inside: Inside
) -> None:
    """Calls go on with the slot's new holder, and see all that was there."""
    slot = slot_of(inside)
    session = await login(store)
    for _ in range(rounds(3)):
        cluster.move(slot, cluster.other_than(slot))
        session = (await refresh(store, session)).session
        assert [s.id for s in (await store.list(ALICE, 10)).sessions] == [session.id]


async def test_no_script_sees_half_of_a_partition(
    cluster: Cluster, store: Store, inside: Inside
) -> None:
    """While a slot moves key by key its calls wait, and have their answers as soon as it moved."""
    slot = slot_of(inside)
    for _ in range(rounds(3)):
        sessions = [await login(store) for _ in range(5)]
        target = cluster.other_than(slot)
        cluster.open_move(slot, target)
        calls: list[asyncio.Task[object]] = [asyncio.create_task(login(store))]
        calls += [asyncio.create_task(refresh(store, session)) for session in sessions]
        await login(store, stranger_to(ALICE))
        while cluster.move_keys(slot, target, leave=len(cluster.holder(slot).keys_of(slot)) // 2):
            await asyncio.sleep(0.02)
            assert not any(call.done() for call in calls)
        cluster.move_keys(slot, target)
        assert not any(call.done() for call in calls)
        cluster.close_move(slot, target)
        await asyncio.gather(*calls)
        live = (await store.list(ALICE, 100, [State.ACTIVE])).sessions
        assert len(live) == (await inside.counts(ALICE))["live"] == 6
        await store.revoke_user(ALICE, EndReason.REVOKED, CALLER, Request())


async def test_calls_that_wait_for_a_slot_are_bounded(
    cluster: Cluster, store: Store, inside: Inside
) -> None:
    """More of them are refused at once, as everywhere."""
    slot, session = slot_of(inside), await login(store)
    few, _ = open_store(cluster, inside.prefix, limits=LinkLimits(in_flight=5))
    target = cluster.other_than(slot)
    cluster.open_move(slot, target)
    calls = [asyncio.create_task(few.get(session.id)) for _ in range(12)]
    done, waiting = await asyncio.wait(calls, timeout=0.5)
    assert len(waiting) == 5
    assert all(isinstance(call.exception(), OverloadedError) for call in done)
    cluster.move_keys(slot, target)
    cluster.close_move(slot, target)
    assert all([await call for call in waiting])


async def test_who_goes_away_does_not_leave_others_waiting(
    cluster: Cluster, store: Store, inside: Inside
) -> None:
    """Calls end at their deadlines, in any order; those that stay have their answers."""
    slot, session = slot_of(inside), await login(store)
    target = cluster.other_than(slot)
    cluster.open_move(slot, target)
    calls = [asyncio.create_task(store.get(session.id)) for _ in range(10)]
    for call in calls[:5]:
        await asyncio.sleep(0.02)
        call.cancel()
    await asyncio.wait(calls[:5])
    cluster.move_keys(slot, target)
    cluster.close_move(slot, target)
    assert all(found and found.session.id == session.id for found in await _all(calls[5:]))


async def test_a_node_that_lost_the_scripts_is_given_them_again(
    store: Store, inside: Inside
) -> None:
    """Also a replica that takes over, which never had them."""
    session = await login(store)
    await inside.everywhere("SCRIPT", "FLUSH")
    found = await asyncio.gather(*(store.get(session.id) for _ in range(20)))
    assert all(found)


async def test_a_primary_that_was_replaced_is_left(
    cluster: Cluster, store: Store, inside: Inside
) -> None:
    """In order, and no call fails."""
    slot, session = slot_of(inside), await login(store)
    for _ in range(rounds(2)):
        swapping = asyncio.create_task(asyncio.to_thread(cluster.swap, cluster.holder(slot)))
        while not swapping.done():
            session = (await refresh(store, session)).session
        await swapping
        session = (await refresh(store, session)).session


async def test_an_emptied_node_is_noticed(cluster: Cluster, store: Store, inside: Inside) -> None:
    """Also if it is not the one with the first partition."""
    for node in cluster.primaries():
        for key in node.ask("KEYS", f"{inside.prefix}:*meta"):
            node.ask("DEL", key)
        assert not await store.is_registered()
        await store.register(PROFILES)
        assert await store.is_registered()


async def test_a_node_that_is_away_does_not_speak_for_the_others(
    cluster: Cluster, store: Store, inside: Inside
) -> None:
    """The store counts as registered and on time as long as others say so."""
    await login(store)
    victim = cluster.primaries()[0]
    victim.engine.kill9()
    assert await store.is_registered()
    assert await clock_skew_s(inside.runner, inside.keys) < 1
    await cluster.mend()


async def _all(calls: list[asyncio.Task[Found | None]]) -> list[Found | None]:
    return [await call for call in calls]
