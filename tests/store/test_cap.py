"""The cap: who makes room, in which order, and who never counts."""

from __future__ import annotations

import asyncio

import pytest

from sessiond.domain.errors import SessionLimitReachedError
from sessiond.domain.session import EndReason, Session, State
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    HOUR,
    KIOSK,
    MOBILE,
    WEB,
    all_pages,
    capped,
    create,
    login,
    refresh,
)
from tests.store.walk import walk


async def states(store: Store, made: list[Session]) -> list[tuple[State, EndReason]]:
    """Where each session stands now."""
    found = [await store.get(session.id) for session in made]
    return [(f.session.state, f.session.end_reason) for f in found if f]


LIVE = (State.ACTIVE, EndReason.NONE)
EVICTED = (State.ENDED, EndReason.EVICTED_BY_CAP)


async def test_eleven_creates_leave_ten_sessions(store: Store, inside: Inside) -> None:
    """The first is ended with EVICTED_BY_CAP and named in the answer."""
    made = [await create(store) for _ in range(11)]
    assert [len(answer.evicted) for answer in made] == [0] * 10 + [1]
    evicted = made[-1].evicted[0]
    assert (evicted.id, evicted.end_reason) == (made[0].session.id, EndReason.EVICTED_BY_CAP)
    assert (evicted.end_ms, evicted.ended_by) == (made[-1].now_ms, "")
    assert await states(store, [m.session for m in made]) == [EVICTED] + [LIVE] * 10
    counts = await inside.counts(ALICE)
    assert counts == {"created": 11, "live": 10, "ended": 1, "e:5": 1, "w:10": 1}
    await walk(store, inside)


async def test_a_lowered_cap_evicts_all_the_excess_in_order(store: Store, inside: Inside) -> None:
    """One create leaves the new cap, oldest first."""
    made = [await login(store) for _ in range(10)]
    last = await create(store, profile=capped(WEB, 3))
    assert [s.id for s in last.evicted] == [s.id for s in made[:8]]
    assert await states(store, made) == [EVICTED] * 8 + [LIVE] * 2
    await walk(store, inside)


async def test_evict_idle_ends_the_session_refreshed_longest_ago(
    store: Store, inside: Inside
) -> None:
    """A refresh and an extend both move a session to the end of the line."""
    made = [await login(store, profile=MOBILE) for _ in range(3)]
    await refresh(store, made[0])
    await store.extend(made[1].id, made[1].client)
    assert [s.id for s in (await create(store, profile=MOBILE)).evicted] == [made[2].id]
    assert [s.id for s in (await create(store, profile=MOBILE)).evicted] == [made[0].id]
    await walk(store, inside)


async def test_evict_oldest_goes_by_creation_alone(store: Store) -> None:
    """A refresh does not save the oldest session of an ordinary profile."""
    made = [await login(store) for _ in range(10)]
    await refresh(store, made[0])
    assert [s.id for s in (await create(store)).evicted] == [made[0].id]


async def test_reject_ends_nothing_and_writes_nothing(store: Store, inside: Inside) -> None:
    """At the cap the create is refused with the profile and its cap."""
    await login(store, profile=KIOSK)
    await login(store, profile=KIOSK)
    before = await inside.snapshot()
    with pytest.raises(SessionLimitReachedError) as refused:
        await login(store, profile=KIOSK)
    assert refused.value.metadata == {"profile": "kiosk", "cap": "2"}
    assert await inside.snapshot() == before


async def test_reject_lets_in_once_a_session_has_ended(store: Store, inside: Inside) -> None:
    """By its own end or by its expiry."""
    made = [await login(store, profile=KIOSK, idle_ms=HOUR * (1 + i)) for i in range(2)]
    await store.revoke(made[1].id, EndReason.LOGOUT, "app")
    await login(store, profile=KIOSK)
    await inside.let_pass(HOUR)
    await login(store, profile=KIOSK)
    await walk(store, inside)


async def test_two_profiles_have_caps_of_their_own_and_one_list(
    store: Store, inside: Inside
) -> None:
    """A full mobile profile evicts nothing of the web's."""
    web = [await login(store) for _ in range(10)]
    mobile = [await login(store, profile=MOBILE) for _ in range(3)]
    evicting = await create(store, profile=MOBILE)
    assert [s.id for s in evicting.evicted] == [mobile[0].id]
    listed = await all_pages(store, states=[State.ACTIVE])
    expected = [evicting.session, *mobile[:0:-1], *web[::-1]]
    assert [s.id for s in listed] == [s.id for s in expected]
    assert (await inside.counts(ALICE))["w:13"] == 1
    await walk(store, inside)


async def test_a_dead_member_never_counts_toward_the_cap(store: Store, inside: Inside) -> None:
    """Expired members are dropped, counted and logged by the create; nobody is evicted."""
    for _ in range(5):
        await login(store, idle_ms=HOUR)
    living = [await login(store) for _ in range(5)]
    await inside.let_pass(HOUR)
    for _ in range(5):
        assert (await create(store)).evicted == ()
    assert await states(store, living) == [LIVE] * 5
    assert (await inside.counts(ALICE))["e:9"] == 5
    evicting = await create(store)
    assert [s.id for s in evicting.evicted] == [living[0].id]
    await walk(store, inside)


async def test_a_member_whose_hash_is_gone_never_counts_either(
    store: Store, inside: Inside
) -> None:
    """More than an hour past its expiry the reason is no longer known."""
    for _ in range(10):
        await login(store, idle_ms=HOUR)
    await inside.let_pass(2 * HOUR)
    assert (await create(store)).evicted == ()
    counts = await inside.counts(ALICE)
    assert (counts["e:11"], counts["live"], counts["created"]) == (10, 1, 11)
    await walk(store, inside)


async def test_users_do_not_share_a_cap(store: Store, inside: Inside) -> None:
    """Each has ten."""
    for user in ("alice", "bob", "alic", "alice:x", "default:alice"):
        for _ in range(10):
            assert (await create(store, user)).evicted == ()
    await walk(store, inside)


async def test_concurrent_creates_keep_their_order_and_the_cap(
    store: Store, inside: Inside
) -> None:
    """Thirty in one tick: no two have the same place, and the newest ten stay."""
    made = [answer.session for answer in await asyncio.gather(*(create(store) for _ in range(30)))]
    in_order = sorted(made, key=lambda s: s.create_us)
    assert len({s.create_us for s in made}) == 30
    assert await states(store, in_order) == [EVICTED] * 20 + [LIVE] * 10
    assert list(await inside.scores(ALICE, f"u:default:{ALICE}")) == [s.id for s in in_order[20:]]
    await walk(store, inside)


async def test_order_survives_a_clock_that_steps_back(store: Store, inside: Inside) -> None:
    """A create after sessions from the future still is the newest."""
    made = [await login(store) for _ in range(3)]
    await inside.let_pass(-HOUR)
    made += [await login(store) for _ in range(3)]
    places = [int((await inside.fields(s.id))["c"]) for s in made]
    assert places == sorted(set(places))
    assert places[3:] == [places[2] + 1, places[2] + 2, places[2] + 3]
    evicting = await create(store, profile=capped(WEB, 3))
    assert [s.id for s in evicting.evicted] == [s.id for s in made[:4]]
