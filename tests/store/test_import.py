"""Import: sessions of another system come in as they were there, once, and keep order and cap."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from sessiond.domain.errors import StoreUnavailableError
from sessiond.domain.profile import Profile
from sessiond.domain.session import Client, Cut, EndReason, State
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
    MAC_KEY,
    MINUTE,
    MOBILE,
    REMEMBERED,
    WEB,
    all_pages,
    capped,
    create,
    login,
    refresh,
)
from tests.store.newcomers import OldSystem, bring, bring_one, live, old_system
from tests.store.walk import walk

IMPORTED, EXISTS, SUPERSEDED = Fate.IMPORTED, Fate.EXISTS, Fate.SUPERSEDED


@pytest.fixture
async def old(inside: Inside) -> OldSystem:
    """The other system."""
    return await old_system(inside)


async def test_a_session_comes_in_as_it_was(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem
) -> None:
    """Times to the microsecond, client and attributes; the rest is its profile's."""
    client = Client("agent", "192.0.2.1", "phone", "Phone", "print", Cut.USER_AGENT)
    given = old.session(age_ms=3 * DAY, left_ms=4 * DAY, client=client, attributes={"a": "1"})
    given = dataclasses.replace(given, create_us=given.create_us + 123)
    assert await bring_one(transfer, given) == Arrival(IMPORTED)
    (found,) = await all_pages(store)
    assert (found.id, found.user_id, found.profile) == (given.id, ALICE, "default")
    assert (found.state, found.generation) == (State.ACTIVE, 1)
    assert (found.create_us, found.expire_ms) == (given.create_us, given.expire_ms)
    assert found.absolute_expire_ms == found.create_ms + WEB.absolute_ms
    assert (found.refresh_ms, found.last_seen_ms) == (found.create_ms, found.create_ms)
    assert (found.client, found.attributes, found.mac_key_id) == (client, {"a": "1"}, MAC_KEY)
    assert await inside.expires_ms(given.id) == given.expire_ms + REMEMBERED
    assert await inside.counts(ALICE) == {"created": 1, "imported": 1, "live": 1, "w:1": 1}
    assert await inside.scores(ALICE, "recent") == {given.id: given.create_us}
    assert await inside.log(ALICE) == [{"e": "0", "s": given.id, "u": ALICE, "d": "0"}]
    await walk(store, inside)


@pytest.mark.parametrize(
    ("age_ms", "left_ms", "expiry_ms", "absolute_ms"),
    [
        (HOUR, DAY, DAY, WEB.absolute_ms - HOUR),
        (HOUR, WEB.absolute_ms + DAY, WEB.absolute_ms, WEB.absolute_ms),
        (WEB.absolute_ms + DAY, 2 * DAY, 2 * DAY, 2 * DAY),
    ],
    ids=["as it was", "cut to the absolute lifetime", "older than that"],
)
async def test_an_expiry_is_kept_up_to_the_absolute_lifetime(
    transfer: TransferStore,
    store: Store,
    old: OldSystem,
    *,
    age_ms: int,
    left_ms: int,
    expiry_ms: int,
    absolute_ms: int,
) -> None:
    """One that was granted longer ago than that lives out what it was granted."""
    await bring(transfer, old.session(age_ms=age_ms, left_ms=left_ms))
    (found,) = await all_pages(store)
    assert found.expire_ms - old.now_ms == pytest.approx(expiry_ms, abs=MINUTE)
    assert found.absolute_expire_ms - old.now_ms == pytest.approx(absolute_ms, abs=MINUTE)


async def test_it_goes_on_like_any_session(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem
) -> None:
    """It is validated, extended and revoked by its id, and expires."""
    first, second = old.session(), old.session(age_ms=2 * HOUR, left_ms=HOUR)
    await bring(transfer, first, second)
    assert await store.validate(first.id, HOUR) is not None
    extended = await store.extend(first.id, Client(user_agent="other"))
    assert extended.session.expire_ms == pytest.approx(old.now_ms + WEB.idle_ms, abs=MINUTE)
    revoked = await store.revoke(first.id, EndReason.LOGOUT, "web")
    assert revoked is not None
    assert revoked.by_this_call
    await inside.let_pass(HOUR)
    found = await store.get(second.id)
    assert found is not None
    assert (found.session.state, found.session.end_reason) == (State.EXPIRED, EndReason.IDLE)
    await walk(store, inside)


@pytest.mark.parametrize("ends", ["live", "changed", "logged out", "erased"])
async def test_what_came_in_is_left_as_it_is(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem, ends: str
) -> None:
    """A second import changes nothing, and above all brings nobody back who has logged out."""
    given = old.session()
    await bring(transfer, given)
    if ends == "changed":
        await store.extend(given.id, Client(user_agent="other"))
    if ends in ("logged out", "erased"):
        await store.revoke(given.id, EndReason.LOGOUT, "web")
    if ends == "erased":
        await inside.ask("DEL", inside.key(given.id))
        await store.prune_user(ALICE)
    before = await inside.snapshot()
    again = dataclasses.replace(given, client=Client(user_agent="imported"), attributes={"a": "b"})
    assert await bring(transfer, again) == [EXISTS]
    assert await inside.snapshot() == before


async def test_what_is_dead_or_of_tomorrow_is_refused(
    transfer: TransferStore, inside: Inside, old: OldSystem
) -> None:
    """A clock that is a little ahead is forgiven."""
    before = await inside.snapshot()
    assert await bring(
        transfer,
        old.session(left_ms=-1),
        old.session(left_ms=0),
        old.session(age_ms=-MINUTE),
    ) == [Fate.EXPIRED, Fate.EXPIRED, Fate.INVALID]
    assert await inside.snapshot() == before
    assert await bring(transfer, old.session(age_ms=-1_000)) == [IMPORTED]


async def test_a_store_that_knows_no_profiles_takes_nothing(
    transfer: TransferStore, inside: Inside, old: OldSystem
) -> None:
    """It was emptied, and has to be registered with again."""
    unknown = dataclasses.replace(WEB, name="unknown")
    with pytest.raises(StoreUnavailableError):
        await bring(transfer, old.session(profile=unknown))
    assert not await inside.snapshot()


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


async def test_a_dry_run_says_what_would_be_and_changes_nothing(
    transfer: TransferStore, inside: Inside, old: OldSystem
) -> None:
    """Who would make room included."""
    one = capped(WEB, 1)
    here = old.session(profile=one, age_ms=2 * HOUR)
    await bring(transfer, here)
    before = await inside.snapshot()
    newer, older = old.session(profile=one), old.session(profile=one, age_ms=3 * HOUR)
    gone = old.session(left_ms=0)
    assert await transfer.import_many([newer, older, here, gone], dry_run=True) == [
        Arrival(IMPORTED, (here.id,)),
        Arrival(SUPERSEDED),
        Arrival(EXISTS),
        Arrival(Fate.EXPIRED),
    ]
    assert await inside.snapshot() == before


async def test_the_same_session_imported_by_many_at_once_comes_in_once(
    transfer: TransferStore, store: Store, inside: Inside, old: OldSystem
) -> None:
    """Two operators start the same import."""
    given = [old.session(age_ms=age * HOUR) for age in range(1, 6)]
    fates = await asyncio.gather(*(bring(transfer, *given) for _ in range(4)))
    for each in zip(*fates, strict=True):
        assert sorted(each) == [IMPORTED, EXISTS, EXISTS, EXISTS]
    assert [session.id for session in await live(store)] == [each.id for each in given]
    await walk(store, inside)
