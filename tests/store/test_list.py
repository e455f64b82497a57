"""List: every session of a user once, in order, page by page."""

from __future__ import annotations

import pytest

from sessiond.domain.session import EndReason, Session, State
from sessiond.store.replies import Request
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    BOB,
    HOUR,
    MINUTE,
    MOBILE,
    all_pages,
    login,
    neighbour_of,
    refresh,
)


def ids_of(sessions: list[Session]) -> list[str]:
    """The sessions by id."""
    return [s.id for s in sessions]


async def _a_bit_of_everything(store: Store, inside: Inside) -> dict[State, list[str]]:
    """Four ended, three live in two profiles, two expired; by state, in the order of the list."""
    ended = [await login(store) for _ in range(4)]
    for session in ended:
        await store.revoke(session.id, EndReason.LOGOUT, "app")
        await inside.let_pass(MINUTE)
    live = [await login(store), await login(store, profile=MOBILE), await login(store)]
    # Created last: a later create would drop them from the list.
    expired = [await login(store, idle_ms=MINUTE) for _ in range(2)]
    await inside.let_pass(MINUTE)
    return {
        State.ACTIVE: ids_of(live)[::-1],
        State.EXPIRED: ids_of(expired)[::-1],
        State.ENDED: ids_of(ended)[::-1],
    }


@pytest.mark.parametrize("size", [1, 2, 4, 9, 10])
async def test_pages_are_complete_and_without_duplicates(
    store: Store, inside: Inside, size: int
) -> None:
    """Newest live first, then the ended ones by their end, whatever the size of a page."""
    made = await _a_bit_of_everything(store, inside)
    everything = made[State.EXPIRED] + made[State.ACTIVE] + made[State.ENDED]
    assert ids_of(await all_pages(store, size=size)) == everything
    first = await store.list(ALICE, size)
    assert len(first.sessions) == min(size, 9)
    assert (first.next is None) == (size >= 9)


@pytest.mark.parametrize("states", [[s] for s in State] + [[State.ACTIVE, State.ENDED]])
async def test_only_the_states_asked_for_are_listed(
    store: Store, inside: Inside, states: list[State]
) -> None:
    """And pages are as full as they can be."""
    made = await _a_bit_of_everything(store, inside)
    wanted = [session_id for state in states for session_id in made[state]]
    for size in (1, 2, 100):
        found = await all_pages(store, size=size, states=states)
        assert ids_of(found) == wanted
        assert {s.state for s in found} == set(states)
    assert (await store.list(ALICE, len(wanted), states)).next is None


async def test_a_session_created_between_two_pages_disturbs_neither(store: Store) -> None:
    """It is newer than the place where the first page ended."""
    made = [await login(store) for _ in range(4)]
    first = await store.list(ALICE, 2)
    await login(store)
    second = await store.list(ALICE, 2, after=first.next)
    assert ids_of([*first.sessions, *second.sessions]) == ids_of(made)[::-1]


async def test_a_session_revoked_between_two_pages_is_still_listed(store: Store) -> None:
    """It moves on to the ended ones, after the place where the first page ended."""
    made = [await login(store) for _ in range(4)]
    first = await store.list(ALICE, 2)
    await store.revoke(made[0].id, EndReason.LOGOUT, "app")
    second = await store.list(ALICE, 2, after=first.next)
    assert ids_of(list(second.sessions)) == [made[1].id, made[0].id]


async def test_many_sessions_that_ended_at_once_are_paged_through(store: Store) -> None:
    """Equal scores are told apart by id."""
    made = [await login(store) for _ in range(10)]
    await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    found = await all_pages(store, size=3)
    assert len({s.end_ms for s in found}) == 1
    assert sorted(ids_of(found)) == sorted(ids_of(made))


async def test_nobody_elses_sessions_are_listed(store: Store) -> None:
    """Not even those of a user in the same partition."""
    mine = await login(store)
    await login(store, neighbour_of(ALICE))
    await login(store, BOB)
    assert ids_of(await all_pages(store)) == [mine.id]
    assert await all_pages(store, "nobody") == []


async def test_listing_writes_nothing(store: Store, inside: Inside) -> None:
    """Expired members stay for the next writer to drop."""
    await _a_bit_of_everything(store, inside)
    before = await inside.snapshot()
    await all_pages(store, size=2)
    assert await inside.snapshot() == before


async def test_a_session_forgotten_by_the_engine_is_not_listed(
    store: Store, inside: Inside
) -> None:
    """Its places in the indexes may still be there."""
    await login(store, idle_ms=HOUR)
    ended = await login(store)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await inside.let_pass(31 * 24 * HOUR)
    assert await all_pages(store) == []


async def test_a_profile_ordered_by_refresh_lists_by_refresh(store: Store, inside: Inside) -> None:
    """The session refreshed last comes first."""
    made = [await login(store, profile=MOBILE) for _ in range(3)]
    await refresh(store, made[0])
    assert ids_of(await all_pages(store)) == [made[0].id, made[2].id, made[1].id]
