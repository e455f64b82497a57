"""Import: sessions of another system come in as they were there, and once."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from sessiond.domain.errors import StoreUnavailableError
from sessiond.domain.session import Client, Cut, EndReason, State
from sessiond.domain.transfer import Fate
from sessiond.store.replies import Arrival
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    DAY,
    HOUR,
    MAC_KEY,
    MINUTE,
    REMEMBERED,
    WEB,
    all_pages,
    capped,
)
from tests.store.newcomers import OldSystem, bring, bring_one, live
from tests.store.walk import walk

IMPORTED, EXISTS, SUPERSEDED = Fate.IMPORTED, Fate.EXISTS, Fate.SUPERSEDED


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
