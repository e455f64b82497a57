"""What an audit says of what it cannot repair, of what is no drift, and of its own progress."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator

import pytest

from sessiond.domain.drift import DriftKind
from sessiond.domain.ids import PARTITIONS
from sessiond.domain.profile import Profile
from sessiond.domain.session import EndReason
from sessiond.service import drift_tally
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from tests.engines import Engine
from tests.store.auditing import REQUEST_TTL, drifts, index_audit, nothing_is_wrong, run_audit
from tests.store.inside import Inside, open_store, scripts_of
from tests.store.kit import (
    ALICE,
    DAY,
    ENDS,
    HOUR,
    KIOSK,
    MINUTE,
    MOBILE,
    PROFILES,
    WEB,
    all_pages,
    as_request,
    capped,
    login,
    refresh,
)
from tests.store.newcomers import bring, old_system
from tests.store.walk import walk

KIOSK_OF_FOUR = capped(KIOSK, 4)


@pytest.fixture
async def own(engine: Engine) -> AsyncIterator[tuple[Store, Inside]]:
    """A store that others do not register with."""
    store, inside = open_store(engine, f"a{uuid.uuid4().hex[:12]}")
    await store.register(PROFILES)
    yield store, inside
    await inside.wipe()
    await inside.runner.close()


async def test_no_state_of_a_session_is_drift(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """Live, refreshed, imported, ended, expired, visited, forgotten: all are in order."""
    assert await drifts(scripts) == {}
    there = await old_system(inside)
    await bring(TransferStore(scripts), there.session(), there.session(profile=MOBILE))
    kept = await login(store, idle_ms=48 * HOUR, request=as_request("r"))
    for profile in (WEB, MOBILE, KIOSK):
        session = await login(store, profile=profile, idle_ms=HOUR)
        await refresh(store, session, grace_ms=0)
        ended = await login(store, profile=profile)
        await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await inside.let_pass(HOUR // 2)
    assert await drifts(scripts) == {}
    await inside.let_pass(HOUR)
    assert await drifts(scripts) == {}, "expired, and not visited"
    await store.prune_user(ALICE)
    assert await drifts(scripts) == {}, "expired, and in no set"
    await inside.let_pass(HOUR)
    assert await drifts(scripts) == {}, "forgotten"
    await store.revoke(kept.id, EndReason.LOGOUT, "app")
    await inside.let_pass(ENDS.retention_ms)
    assert await drifts(scripts) == {}, "retention is over, and nobody came"
    await nothing_is_wrong(scripts, store, inside)


@pytest.mark.parametrize("field", ["u", "c", "x", "X", "i", "g", "K"])
async def test_a_malformed_session_is_named_and_left_alone(
    store: Store, inside: Inside, scripts: ScriptSet, field: str
) -> None:
    """By that name alone, whichever field is missing."""
    session = await login(store)
    await inside.ask("HDEL", inside.key(session.id), field)
    before = await inside.snapshot()
    for repair in (False, True):
        (drift,) = (await run_audit(scripts, repair=repair)).drifts
        assert (drift.kind, drift.found, drift.repaired) == (DriftKind.SESSION_MALFORMED, 1, 0)
        assert drift.samples == (session.id,)
    assert await inside.snapshot() == before


async def test_half_an_ending_is_malformed(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """A session that lost its end reason is not brought back to life."""
    session = await login(store)
    await store.revoke(session.id, EndReason.LOGOUT, "app")
    await inside.ask("HDEL", inside.key(session.id), "e")
    assert set(await drifts(scripts, repair=True)) == {DriftKind.SESSION_MALFORMED}
    assert await inside.scores(ALICE, f"u:default:{ALICE}") == {}


async def test_a_session_that_is_no_hash_is_malformed(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """Neither it nor its index stops the audit, or the repair of others, or a login."""
    live, ended = await login(store), await login(store)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    for session in (live, ended):
        await inside.ask("SET", inside.key(session.id), "junk")
    (drift,) = (await run_audit(scripts)).drifts
    assert (drift.kind, drift.found) == (DriftKind.SESSION_MALFORMED, 2)
    lost = await login(store)
    await inside.ask("ZREM", f"{inside.keys.of_user(ALICE)}u:default:{ALICE}", lost.id)
    found = await drifts(scripts, repair=True)
    assert found[DriftKind.LIVE_ENTRY_MISSING].repaired == 1


async def test_foreign_keys_are_named_and_left_alone(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """Other families, other tags, keys in a wrong partition, sets of a wrong type or profile."""
    session = await login(store)
    mine, others = inside.keys.of_user(ALICE), inside.keys.bases[0]
    foreign = [
        f"{inside.prefix}:lock",
        f"{inside.prefix}:{{zzz}}:users",
        f"{mine}z:1",
        f"{mine}users:1",
        f"{mine}s:short",
        f"{mine}u:{ALICE}",
        f"{mine}job:stats",
        f"{others}s:{session.id}",
        f"{others}h:{ALICE}",
        f"{mine}h:{ALICE}",
    ]
    await asyncio.gather(*(inside.ask("SET", key, "1") for key in foreign))
    profile = f"{mine}u:nobodys:{ALICE}"
    await inside.ask("ZADD", profile, 1, session.id)
    before = await inside.snapshot()
    for repair in (False, True):
        (drift,) = (await run_audit(scripts, repair=repair)).drifts
        assert (drift.kind, drift.found, drift.repaired) == (DriftKind.KEY_UNKNOWN, 11, 0)
        assert set(drift.samples) < {*foreign, profile}
    assert await inside.snapshot() == before


async def test_at_most_ten_of_a_kind_are_named(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """All of them are counted."""
    made = [await login(store, f"user-{i}") for i in range(12)]
    await asyncio.gather(*(inside.ask("PERSIST", inside.key(session.id)) for session in made))
    (drift,) = (await run_audit(scripts)).drifts
    assert (drift.found, len(drift.samples)) == (12, 10)
    assert set(drift.samples) < {session.id for session in made}


async def test_a_counter_is_named_with_both_numbers(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """And with its partition."""
    await login(store)
    await inside.ask("HINCRBY", inside.keys.of_user(ALICE) + "n", "live", 3)
    (drift,) = (await run_audit(scripts)).drifts
    partition = inside.keys.bases.index(inside.keys.of_user(ALICE))
    assert drift.samples == (f"live of partition {partition}: 4, counted 1",)


async def test_a_counter_that_is_lost_is_counted_again(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """What happened before cannot be: creations are as many as sessions live."""
    for _ in range(2):
        await login(store)
    ended = await login(store)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await inside.ask("DEL", inside.keys.of_user(ALICE) + "n")
    await drifts(scripts, repair=True)
    assert await inside.counts(ALICE) == {"live": 2, "ended": 1, "created": 2, "w:2": 1}
    assert await drifts(scripts) == {}


@pytest.mark.parametrize("profile", [WEB, MOBILE, KIOSK])
async def test_a_session_that_is_put_back_leaves_no_user_over_the_cap(
    store: Store, inside: Inside, scripts: ScriptSet, profile: Profile
) -> None:
    """The oldest makes room, whatever the profile does at a login."""
    made = [await login(store, profile=profile) for _ in range(profile.cap)]
    await inside.ask("ZREM", f"{inside.keys.of_user(ALICE)}u:{profile.name}:{ALICE}", made[-1].id)
    made.append(await login(store, profile=profile))
    await drifts(scripts, repair=True)
    live = await inside.scores(ALICE, f"u:{profile.name}:{ALICE}")
    assert set(live) == {session.id for session in made[1:]}
    (ended,) = [s for s in await all_pages(store) if s.end_reason is EndReason.EVICTED_BY_CAP]
    assert ended.id == made[0].id
    await nothing_is_wrong(scripts, store, inside)


async def test_a_dead_session_makes_room_before_a_live_one(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """Whoever is put back at the cap ends nobody if somebody has expired."""
    lost = await login(store)
    await inside.ask("ZREM", f"{inside.keys.of_user(ALICE)}u:default:{ALICE}", lost.id)
    made = [await login(store) for _ in range(WEB.cap - 1)]
    expired = await login(store, idle_ms=MINUTE)
    await inside.let_pass(2 * MINUTE)
    await drifts(scripts, repair=True)
    live = await inside.scores(ALICE, f"u:default:{ALICE}")
    assert set(live) == {lost.id, *(session.id for session in made)}
    assert expired.id not in live
    await nothing_is_wrong(scripts, store, inside)


async def test_a_user_over_a_lowered_cap_stays_so(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """A lower cap ends sessions at the next login, not by an audit."""
    made = [await login(store, profile=KIOSK_OF_FOUR) for _ in range(4)]
    await inside.ask("ZREM", f"{inside.keys.of_user(ALICE)}u:kiosk:{ALICE}", made[3].id)
    await drifts(scripts, repair=True)
    assert len(await inside.scores(ALICE, f"u:kiosk:{ALICE}")) == 3


async def test_many_drifts_of_one_user_are_repaired_at_once(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """More sessions than the cap and the history hold, of which every index is gone."""
    base = inside.keys.of_user(ALICE)
    for _ in range(WEB.cap + 1):
        await login(store)
    for key in (f"u:default:{ALICE}", f"h:{ALICE}", "users", "n", "dead"):
        await inside.ask("DEL", base + key)
    found = await drifts(scripts, repair=True)
    assert found[DriftKind.LIVE_ENTRY_MISSING].found == WEB.cap
    assert found[DriftKind.HISTORY_ENTRY_MISSING].found == 1
    assert found[DriftKind.DEAD_ENTRY_MISSING].found == 1
    assert await drifts(scripts) == {}
    assert len(await inside.scores(ALICE, f"u:default:{ALICE}")) == WEB.cap


async def test_a_request_record_is_given_a_lifetime(inside: Inside, scripts: ScriptSet) -> None:
    """That of any record."""
    key = inside.keys.of_user(ALICE) + "i:record"
    await inside.ask("SET", key, "digest id")
    await drifts(scripts, repair=True)
    assert 0 < int(await inside.ask("PTTL", key)) <= REQUEST_TTL


async def test_a_session_that_is_past_its_retention_goes(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """And its count with it."""
    session = await login(store)
    await store.revoke(session.id, EndReason.LOGOUT, "app")
    await inside.ask("HINCRBY", inside.key(session.id), "E", -ENDS.retention_ms)
    assert (await drifts(scripts, repair=True)).keys() == {DriftKind.TTL_WRONG}
    assert await store.get(session.id) is None
    await nothing_is_wrong(scripts, store, inside)


@pytest.mark.parametrize("retention_ms", [DAY, 60 * DAY])
@pytest.mark.parametrize("access_ms", [MINUTE, 4 * HOUR])
async def test_a_changed_setting_is_no_drift(
    engine: Engine, own: tuple[Store, Inside], retention_ms: int, access_ms: int
) -> None:
    """What ended before keeps its time; what ends after has the next one. Past both is drift."""
    store, inside = own
    before, after = await login(store), await login(store)
    await store.revoke(before.id, EndReason.LOGOUT, "app")
    await inside.let_pass(2 * HOUR)
    for partition in range(PARTITIONS):
        await store.sweep(partition, 100)
    ends = dataclasses.replace(ENDS, retention_ms=retention_ms, access_ms=access_ms)
    changed, behind = open_store(engine, inside.prefix, ends)
    await changed.register(PROFILES)
    await changed.revoke(after.id, EndReason.LOGOUT, "app")
    scripts = scripts_of(behind, ends)
    kept = await inside.snapshot()
    assert await drifts(scripts, repair=True) == {}
    assert await inside.snapshot() == kept
    await inside.ask("PEXPIRE", inside.key(before.id), 61 * DAY)
    assert (await drifts(scripts, repair=True)).keys() == {DriftKind.TTL_WRONG}
    await behind.runner.close()


async def test_a_set_of_another_type_does_not_stop_an_audit(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """The set is named; the sessions that it should hold are held against nothing else."""
    live, ended = await login(store), await login(store)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    base = inside.keys.of_user(ALICE)
    for key in (f"{base}u:default:{ALICE}", f"{base}h:{ALICE}"):
        await inside.ask("SET", key, "junk")
    for repair in (False, True):
        found = await drifts(scripts, repair=repair)
        assert found[DriftKind.KEY_UNKNOWN].found == 2
    assert (await store.get(live.id)) is not None


async def test_an_audit_of_much_drift_keeps_few_names(
    store: Store, inside: Inside, scripts: ScriptSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are counted, and counters are not held against users whom it could not keep."""
    monkeypatch.setattr(drift_tally, "MOST_NAMES", 5)
    made = [await login(store, f"user-{i}") for i in range(12)]
    await asyncio.gather(*(inside.ask("PERSIST", inside.key(session.id)) for session in made))
    await asyncio.gather(*(inside.ask("DEL", base + "users") for base in inside.keys.bases))
    found = await drifts(scripts)
    assert {kind: drift.found for kind, drift in found.items()} == {
        DriftKind.TTL_MISSING: 12,
        DriftKind.USER_ENTRY_MISSING: 12,
    }
    repaired = await drifts(scripts, repair=True)
    assert {kind: drift.repaired for kind, drift in repaired.items()} == {
        DriftKind.TTL_MISSING: 12,
        DriftKind.USER_ENTRY_MISSING: 12,
    }
    await nothing_is_wrong(scripts, store, inside)


async def test_progress_comes_to_all_keys(store: Store, inside: Inside, scripts: ScriptSet) -> None:
    """In steps that never go back, and never past the total."""
    await asyncio.gather(*(login(store, f"user-{i}") for i in range(1_500)))
    steps = [step async for step in index_audit(scripts).audit(repair=False)]
    assert [step.done for step in steps] == [False] * (len(steps) - 1) + [True]
    assert [step.keys_done for step in steps] == sorted(step.keys_done for step in steps)
    assert all(step.keys_done <= step.keys_total for step in steps)
    assert steps[-1].keys_done >= len(await inside.all_keys())
    assert len(steps) > 2
    await walk(store, inside)
