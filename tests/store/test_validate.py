"""Validate: what a session's state is, and when it was last seen."""

from __future__ import annotations

from sessiond.domain.session import EndReason, State
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import HOUR, MINUTE, NOBODY, login, refresh
from tests.store.walk import walk

INTERVAL = 5 * MINUTE


async def test_a_live_session_is_active(store: Store) -> None:
    """The answer has all of it."""
    session = await login(store, attributes={"role": "admin"})
    found = await store.validate(session.id, INTERVAL)
    assert found is not None
    assert found.session == session


async def test_within_the_activity_interval_nothing_is_written(
    store: Store, inside: Inside
) -> None:
    """A refresh counts as having been seen."""
    session = await login(store)
    await inside.let_pass(2 * INTERVAL)
    await refresh(store, session)
    await inside.let_pass(INTERVAL - MINUTE)
    before = await inside.snapshot()
    for _ in range(3):
        await store.validate(session.id, INTERVAL)
    assert await inside.snapshot() == before


async def test_last_seen_is_recorded_once_per_interval(store: Store, inside: Inside) -> None:
    """The first validate after the interval writes, the next does not."""
    session = await login(store)
    await inside.let_pass(INTERVAL)
    first = await store.validate(session.id, INTERVAL)
    second = await store.validate(session.id, INTERVAL)
    assert first is not None
    assert second is not None
    assert first.session.last_seen_ms == first.now_ms == second.session.last_seen_ms
    found = await store.get(session.id)
    assert found is not None
    assert found.session == first.session
    await walk(store, inside)


async def test_being_seen_extends_nothing(store: Store, inside: Inside) -> None:
    """Expiry, TTL and generation stay."""
    session = await login(store)
    forgotten = await inside.expires_ms(session.id)
    found = await store.validate(session.id, 0)
    assert found is not None
    assert found.session.expire_ms == session.expire_ms
    assert found.session.refresh_ms == session.refresh_ms
    assert found.session.generation == session.generation
    assert await inside.expires_ms(session.id) == forgotten


async def test_a_refresh_is_later_than_an_older_validate(store: Store, inside: Inside) -> None:
    """Last seen is the later of the two."""
    session = await login(store)
    await store.validate(session.id, 0)
    await inside.let_pass(MINUTE)
    answer = await store.extend(session.id, NOBODY)
    assert answer.session.last_seen_ms == answer.now_ms


async def test_a_session_that_is_over_says_how_and_when(store: Store, inside: Inside) -> None:
    """And nothing is recorded on it."""
    ended, expired = await login(store), await login(store, idle_ms=MINUTE)
    revoked = await store.revoke(ended.id, EndReason.REVOKED_BY_ADMIN, "ops")
    assert revoked is not None
    await inside.let_pass(MINUTE)
    before = await inside.snapshot()
    first = await store.validate(ended.id, 0)
    second = await store.validate(expired.id, 0)
    assert first is not None
    assert (first.session.state, first.session.end_reason, first.session.ended_by) == (
        State.ENDED,
        EndReason.REVOKED_BY_ADMIN,
        "ops",
    )
    assert first.session.end_ms == revoked.now_ms - MINUTE
    assert second is not None
    assert (second.session.state, second.session.end_reason) == (State.EXPIRED, EndReason.IDLE)
    assert second.session.end_ms == expired.expire_ms - MINUTE
    assert await inside.snapshot() == before


async def test_an_unknown_session_is_none(store: Store, inside: Inside) -> None:
    """As is one that expired more than an hour ago."""
    session = await login(store, idle_ms=MINUTE)
    await inside.let_pass(MINUTE + HOUR)
    assert await store.validate(session.id, INTERVAL) is None
