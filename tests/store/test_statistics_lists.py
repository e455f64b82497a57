"""The lists over all users: the newest sessions, and users by number of live sessions."""

from __future__ import annotations

import pytest

from sessiond.domain.errors import InvalidFieldError
from sessiond.domain.session import RECENT_MOST, EndReason
from sessiond.service.statistics import Statistician
from sessiond.store.maintenance import Maintenance
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import ALICE, BOB, HOUR, MOBILE, login, neighbour_of, stranger_to
from tests.store.lists import all_recent, all_users
from tests.store.population import kept, newest_first


async def test_the_recent_list_ends_where_it_would_get_gaps(
    store: Store, inside: Inside, statistician: Statistician
) -> None:
    """A partition remembers its newest 100; what is older elsewhere is left out."""
    older = [await login(store, stranger_to(ALICE)) for _ in range(5)]
    first = await login(store, ALICE)
    await login(store, BOB)
    for _ in range(98):
        await login(store, neighbour_of(ALICE))
    sessions = await kept(inside)
    assert [s.id for s in await all_recent(statistician, 30)] == newest_first(sessions)
    for _ in range(2):
        last = await login(store, ALICE)
    await login(store, BOB)
    found = [s.id for s in await all_recent(statistician, 30)]
    assert found == newest_first(await kept(inside))[: len(found)]
    assert last.id in found
    assert first.id not in found
    assert not {s.id for s in older} & set(found)
    assert len(found) == 101


async def test_a_deletion_leaves_no_gap_in_the_recent_list(
    store: Store, inside: Inside, statistician: Statistician, scripts: ScriptSet
) -> None:
    """It still ends where a partition has forgotten what came before."""
    older = await login(store, stranger_to(ALICE))
    for _ in range(RECENT_MOST + 5):
        await login(store, neighbour_of(ALICE))
    await login(store, ALICE)
    await Maintenance(scripts).delete_user(ALICE, caller="ops")
    found = [s.id for s in await all_recent(statistician, 30)]
    assert found == newest_first(await kept(inside))[: RECENT_MOST - 1]
    assert older.id not in found


async def test_recent_sessions_of_one_moment_are_paged_through(
    store: Store, inside: Inside, statistician: Statistician
) -> None:
    """As an import makes them: times in whole seconds, in one partition and over many."""
    made = [await login(store, f"user-{i % 7}") for i in range(30)]
    for session in made:
        base = inside.keys.of_session(session.id)
        await inside.ask("ZADD", base + "recent", session.create_us // 10**9 * 10**9, session.id)
    found = [s.id for s in await all_recent(statistician, 4)]
    assert sorted(found) == sorted(s.id for s in made)
    times = {s.id: s.create_us // 10**9 for s in made}
    assert found == sorted(found, key=lambda i: (times[i], i), reverse=True)


async def test_what_is_no_longer_kept_is_not_recent(
    store: Store, inside: Inside, statistician: Statistician
) -> None:
    """And pages are as full as they can be."""
    made = [await login(store, f"user-{i}") for i in range(20)]
    await inside.delete(*(inside.key(s.id) for s in made[5:15]))
    left = [s.id for s in made[:5] + made[15:]][::-1]
    assert [s.id for s in await all_recent(statistician, 3)] == left


async def test_users_who_hold_as_many_are_in_byte_order(
    store: Store, inside: Inside, statistician: Statistician
) -> None:
    """Whatever the engine's locale thinks of capitals and umlauts; ended ones alone come last."""
    names = ["a", "B", "ä", "aa", "Z", "b", "z", "_", "\U0001f600", "\uffff", "a" * 256]
    for name in names:
        await login(store, name)
    ended = await login(store, "0-logged-out")
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await login(store, "zz")
    await login(store, "zz", MOBILE)
    gone = await login(store, "gone", idle_ms=HOUR)
    await inside.ask("DEL", inside.key(gone.id))
    await inside.ask("DEL", inside.keys.of_user("gone") + "u:default:gone")
    expected = ["zz", *sorted(names, key=str.encode), "0-logged-out"]
    for size in (1, 3, 200):
        assert [u.user_id for u in await all_users(statistician, size)] == expected


async def test_a_page_token_is_good_for_its_own_list(
    store: Store, statistician: Statistician
) -> None:
    """Of the other list, or made up, it is refused by name."""
    for user in (ALICE, BOB):
        await login(store, user)
    recent = (await statistician.recent(1, "")).next_page_token
    users = (await statistician.users(1, "")).next_page_token
    assert recent
    assert users
    for read, token in (
        (statistician.recent, users),
        (statistician.users, recent),
        (statistician.recent, recent[:-4]),
        (statistician.users, "nonsense"),
    ):
        with pytest.raises(InvalidFieldError) as refusal:
            await read(1, token)
        assert [v.field for v in refusal.value.violations] == ["page_token"]
