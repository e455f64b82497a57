"""The history of a user: the newest hundred ended sessions, and no more."""

from __future__ import annotations

import asyncio

from sessiond.domain.session import EndReason
from sessiond.store.replies import Request
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import ALICE, DAY, ENDS, HOUR, KIOSK, MOBILE, WEB, capped, create, login
from tests.store.walk import walk

LARGE = capped(WEB, 105)
SETS = (LARGE, capped(MOBILE, 105), capped(KIOSK, 105))


async def test_ended_sessions_are_kept_in_the_order_of_their_end(
    store: Store, inside: Inside
) -> None:
    """Not in the order of their creation."""
    made = [await login(store) for _ in range(3)]
    for session in (made[1], made[0], made[2]):
        await store.revoke(session.id, EndReason.LOGOUT, "app")
        await inside.let_pass(HOUR)
    assert list(await inside.scores(ALICE, f"h:{ALICE}")) == [made[1].id, made[0].id, made[2].id]


async def test_only_the_newest_hundred_are_kept(store: Store, inside: Inside) -> None:
    """A trimmed session's hash goes with it, and it is no longer counted."""
    first, second = await login(store), await login(store)
    for session in (first, second):
        await store.revoke(session.id, EndReason.LOGOUT, "app")
        await inside.let_pass(HOUR)
    await asyncio.gather(*(login(store, profile=p) for p in SETS for _ in range(33)))
    await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    assert await store.get(first.id) is None
    assert await store.get(second.id) is not None
    counts = await inside.counts(ALICE)
    assert (counts["ended"], counts["e:1"], counts["e:2"]) == (100, 2, 99)
    assert len(await inside.scores(ALICE, f"h:{ALICE}")) == 100
    await walk(store, inside)


async def test_one_call_that_ends_more_than_a_hundred_keeps_a_hundred(
    store: Store, inside: Inside
) -> None:
    """All are ended, counted and logged; five of them are forgotten at once."""
    await asyncio.gather(*(login(store, profile=p) for p in SETS for _ in range(35)))
    ended = await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    assert len(ended) == 105
    kept = [session_id for session_id in ended if await store.get(session_id)]
    assert len(kept) == 100
    counts = await inside.counts(ALICE)
    assert (counts["ended"], counts["e:2"], counts["live"]) == (100, 105, 0)
    await walk(store, inside)


async def test_a_cap_lowered_by_more_than_a_hundred_evicts_them_all(
    store: Store, inside: Inside
) -> None:
    """The answer names those that are still known."""
    await asyncio.gather(*(login(store, profile=LARGE) for _ in range(105)))
    answer = await create(store, profile=capped(WEB, 1))
    assert len(answer.evicted) == 100
    assert (await inside.counts(ALICE))["e:5"] == 105
    await walk(store, inside)


async def test_a_session_past_its_retention_is_forgotten(store: Store, inside: Inside) -> None:
    """The engine drops the hash; the next visit drops it from the history and its count."""
    old, young = await login(store, absolute_ms=365 * DAY), await login(store)
    await store.revoke(old.id, EndReason.LOGOUT, "app")
    await inside.let_pass(ENDS.retention_ms // 2)
    await store.revoke(young.id, EndReason.LOGOUT, "app")
    await inside.let_pass(ENDS.retention_ms // 2)
    assert await store.get(old.id) is None
    assert (await inside.counts(ALICE))["ended"] == 1
    pruned = await store.prune_user(ALICE)
    assert (pruned.dead, pruned.forgotten) == (1, 1)
    await walk(store, inside)


async def test_a_clock_that_steps_back_trims_the_oldest_all_the_same(
    store: Store, inside: Inside
) -> None:
    """What has only just ended is kept, and its answer given."""
    await asyncio.gather(*(login(store, profile=LARGE) for _ in range(100)))
    await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    await inside.let_pass(-HOUR)
    last = await login(store)
    revoked = await store.revoke(last.id, EndReason.LOGOUT, "app")
    assert revoked is not None
    assert revoked.session.end_reason is EndReason.LOGOUT
    assert list(await inside.scores(ALICE, f"h:{ALICE}"))[-1] == last.id
