"""Import at the cap and of one device: who comes in, who makes room, who stays outside."""

from __future__ import annotations

import dataclasses

import pytest

from sessiond.domain.profile import Profile
from sessiond.domain.session import Client, EndReason
from sessiond.domain.transfer import Fate
from sessiond.store.replies import Arrival
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    BOB,
    DAY,
    HOUR,
    KIOSK,
    MOBILE,
    WEB,
    capped,
    create,
    login,
    refresh,
)
from tests.store.newcomers import OldSystem, bring, bring_one, live
from tests.store.walk import walk

IMPORTED, SUPERSEDED = Fate.IMPORTED, Fate.SUPERSEDED


async def test_the_newest_stay_in_whatever_order_they_come(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem
) -> None:
    """Over the cap the oldest makes room; one that is older than all others does not come in."""
    three = capped(WEB, 3)
    ages = [5, 1, 4, 2, 6, 3]
    given = {age: old.session(profile=three, age_ms=age * HOUR) for age in ages}
    arrivals = {age: await bring_one(transfer, given[age]) for age in ages}
    assert {age: arrival.fate for age, arrival in arrivals.items()} == {
        **dict.fromkeys([5, 1, 4, 2, 3], IMPORTED),
        6: SUPERSEDED,
    }
    made_room = {age: arrival.made_room for age, arrival in arrivals.items() if arrival.made_room}
    assert made_room == {2: (given[5].id,), 3: (given[4].id,)}
    assert [session.id for session in await live(store)] == [given[age].id for age in (1, 2, 3)]
    await walk(store, inside)


async def test_sessions_of_one_microsecond_have_an_order(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem
) -> None:
    """That of their ids, so that the same ones stay in whatever order they come."""
    two = capped(WEB, 2)
    given = [old.session(profile=two) for _ in range(5)]
    given.sort(key=lambda each: each.id, reverse=True)
    for order in (given, given[::-1]):
        await inside.wipe()
        await bring(transfer, *order)
        assert [session.id for session in await live(store)] == [each.id for each in given[:2]]
        await walk(store, inside)


async def test_a_lowered_cap_makes_all_the_excess_go(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem
) -> None:
    """But for a session that would be among those that go, nobody makes room."""
    ages = (6, 5, 4, 3, 2)
    given = {age: old.session(age_ms=age * HOUR) for age in ages}
    await bring(transfer, *given.values())
    three = capped(WEB, 3)
    late = old.session(profile=three, age_ms=4 * HOUR + 1)
    assert await bring_one(transfer, late) == Arrival(SUPERSEDED)
    fits = old.session(profile=three, age_ms=4 * HOUR - 1)
    arrival = await bring_one(transfer, fits)
    assert arrival == Arrival(IMPORTED, tuple(given[age].id for age in (6, 5, 4)))
    assert [s.id for s in await live(store)] == [given[2].id, given[3].id, fits.id]
    await walk(store, inside)


async def test_logins_here_and_imports_share_one_cap(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem
) -> None:
    """Who logged in here is newer than whoever comes in, and a later login ends the oldest."""
    two = capped(WEB, 2)
    older, newer = (old.session(profile=two, age_ms=age) for age in (2 * HOUR, HOUR))
    first = await login(store, profile=two)
    assert await bring(transfer, newer, older) == [IMPORTED, SUPERSEDED]
    second = await create(store, profile=two)
    assert [session.id for session in second.evicted] == [newer.id]
    assert [s.id for s in await live(store)] == [second.session.id, first.id]
    await walk(store, inside)


async def test_expired_members_make_room_by_themselves(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem
) -> None:
    """They are dropped and counted as expired, not as evicted."""
    one = capped(WEB, 1)
    short, longer = old.session(profile=one, left_ms=HOUR), old.session(left_ms=DAY, profile=one)
    longer = dataclasses.replace(longer, create_us=short.create_us - 2 * HOUR * 1000)
    await bring(transfer, short)
    await inside.let_pass(HOUR)
    assert await bring_one(transfer, longer) == Arrival(IMPORTED)
    assert (await inside.counts(ALICE)).get("e:5") is None
    await walk(store, inside)


async def test_reject_keeps_those_that_are_here(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem
) -> None:
    """However new the one that comes."""
    given = [old.session(profile=KIOSK, age_ms=age * HOUR) for age in (4, 5, 1)]
    assert await bring(transfer, *given) == [IMPORTED, IMPORTED, SUPERSEDED]
    assert {session.id for session in await live(store)} == {given[0].id, given[1].id}
    await walk(store, inside)


async def test_evict_idle_takes_the_creation_for_the_last_refresh(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem
) -> None:
    """A session that was refreshed here stays before one that was created later over there."""
    given = [old.session(profile=MOBILE, age_ms=age * HOUR) for age in (9, 8, 7, 6)]
    await bring(transfer, *given[:3])
    oldest = await store.get(given[0].id)
    assert oldest is not None
    await refresh(store, oldest.session)
    assert await bring_one(transfer, given[3]) == Arrival(IMPORTED, (given[1].id,))
    await walk(store, inside)


@pytest.mark.parametrize("other", [WEB, MOBILE], ids=["same profile", "another profile"])
@pytest.mark.parametrize("newer_first", [True, False])
async def test_of_one_device_the_newer_session_stays(
    transfer: TransferStore,
    store: Store,
    inside: Inside,
    old: OldSystem,
    *,
    other: Profile,
    newer_first: bool,
) -> None:
    """The older one ends as REPLACED, or does not come in."""
    phone = Client(device_id="phone")
    older = old.session(profile=other, age_ms=2 * HOUR, client=phone)
    newer = old.session(age_ms=HOUR, client=phone)
    tablet = old.session(age_ms=3 * HOUR, client=Client(device_id="tablet"))
    await bring(transfer, tablet, old.session(BOB, client=phone))
    if newer_first:
        assert await bring(transfer, newer, older) == [IMPORTED, SUPERSEDED]
    else:
        assert await bring_one(transfer, older) == Arrival(IMPORTED)
        assert await bring_one(transfer, newer) == Arrival(IMPORTED, (older.id,))
        ended = await store.get(older.id)
        assert ended is not None
        assert ended.session.end_reason is EndReason.REPLACED
    assert [session.id for session in await live(store)] == [newer.id, tablet.id]
    assert len(await live(store, [BOB])) == 1
    await walk(store, inside)
