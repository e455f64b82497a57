"""Refresh: the table of generations, row by row."""

from __future__ import annotations

import pytest

from sessiond.domain.errors import (
    RefreshTokenAheadError,
    RefreshTokenReusedError,
    SessionEndedError,
    SessionExpiredError,
    SessionNotFoundError,
)
from sessiond.domain.session import EndReason, Outcome, Session, State
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import ALICE, DAY, GRACE, HOUR, MAC_KEY, MINUTE, WEB, login, refresh
from tests.store.walk import walk


async def state_of(store: Store, session: Session) -> tuple[State, EndReason]:
    """Where the session stands now."""
    found = await store.get(session.id)
    assert found is not None
    return found.session.state, found.session.end_reason


async def test_after_the_grace_time_the_token_is_rotated(store: Store, inside: Inside) -> None:
    """One generation on, minted now, by the key of now; same id, later expiry."""
    session = await login(store)
    await inside.let_pass(GRACE + 1)
    answer = await refresh(store, session, mac_key_id=78)
    rotated = answer.session
    assert answer.outcome is Outcome.ROTATED
    assert (rotated.id, rotated.generation, rotated.mac_key_id) == (session.id, 2, 78)
    assert rotated.mint_ms == rotated.refresh_ms == rotated.last_seen_ms == answer.now_ms
    assert rotated.expire_ms == answer.now_ms + WEB.idle_ms
    assert answer.previous_expire_ms == session.expire_ms - GRACE - 1
    assert await store.get(session.id) is not None
    await walk(store, inside)


async def test_within_the_grace_time_the_token_stays_current(store: Store) -> None:
    """A tab that refreshes right after another did keeps the token; the expiry moves."""
    session = await login(store)
    answer = await refresh(store, session, mac_key_id=78)
    assert answer.outcome is Outcome.CURRENT
    assert (answer.session.generation, answer.session.mac_key_id) == (1, MAC_KEY)
    assert answer.session.mint_ms == session.mint_ms
    assert answer.session.expire_ms == answer.now_ms + WEB.idle_ms


async def test_the_grace_time_counts_both_ways(store: Store, inside: Inside) -> None:
    """A token minted shortly in the future, by a clock that stepped back, is within it too."""
    session = await login(store)
    await inside.let_pass(-GRACE // 2)
    assert (await refresh(store, session)).outcome is Outcome.CURRENT
    await inside.let_pass(-GRACE)
    assert (await refresh(store, session)).outcome is Outcome.ROTATED


async def test_the_previous_token_is_replayed_within_the_grace_time(
    store: Store, inside: Inside
) -> None:
    """It gets the current generation again, minted by the same key; only a counter is written."""
    session = await login(store)
    rotated = (await refresh(store, session, grace_ms=0, mac_key_id=78)).session
    before = await inside.snapshot()
    answer = await refresh(store, session, generation=1, mac_key_id=79)
    assert answer.outcome is Outcome.REPLAYED
    assert answer.session == rotated
    after = await inside.snapshot()
    counters = inside.keys.of_user(ALICE) + "n"
    assert {k: v for k, v in after.items() if k != counters} == {
        k: v for k, v in before.items() if k != counters
    }
    assert (await inside.counts(ALICE))["replayed"] == 1


async def test_the_same_request_is_replayed_long_after_the_grace_time(
    store: Store, inside: Inside
) -> None:
    """A retry with its request id gets the token it missed."""
    session = await login(store)
    await refresh(store, session, grace_ms=0, request="r1")
    await inside.let_pass(DAY)
    answer = await refresh(store, session, generation=1, request="r1", grace_ms=0)
    assert (answer.outcome, answer.session.generation) == (Outcome.REPLAYED, 2)


async def test_a_request_id_is_good_for_the_rotation_it_made_alone(
    store: Store, inside: Inside
) -> None:
    """The next rotation, with another id or none, forgets it."""
    for later in ("r2", ""):
        session = await login(store)
        await refresh(store, session, grace_ms=0, request="r1")
        await refresh(store, session, generation=2, grace_ms=0, request=later)
        for generation in (2, 1):
            with pytest.raises((RefreshTokenReusedError, SessionEndedError)):
                await refresh(store, session, generation, grace_ms=0, request="r1")
    await walk(store, inside)


async def test_a_superseded_token_ends_the_session(store: Store, inside: Inside) -> None:
    """The ending is committed though the call fails."""
    session = await login(store)
    await refresh(store, session, grace_ms=0, request="r1")
    await inside.let_pass(GRACE + 1)
    with pytest.raises(RefreshTokenReusedError) as refused:
        await refresh(store, session, generation=1, request="r2")
    assert refused.value.metadata == {"session_id": session.id, "user_id": ALICE}
    assert await state_of(store, session) == (State.ENDED, EndReason.TOKEN_REUSED)
    with pytest.raises(SessionEndedError):
        await refresh(store, session, generation=2)
    with pytest.raises(RefreshTokenReusedError):  # the first reply may have been lost
        await refresh(store, session, generation=1, request="r2")
    assert (await inside.counts(ALICE))["e:7"] == 1
    await walk(store, inside)


async def test_an_older_token_ends_the_session_even_within_the_grace_time(
    store: Store, inside: Inside
) -> None:
    """Two generations back is no tab that missed one answer."""
    session = await login(store)
    await refresh(store, session, grace_ms=0)
    await refresh(store, session, generation=2, grace_ms=0, request="r1")
    with pytest.raises(RefreshTokenReusedError):
        await refresh(store, session, generation=1, request="r1")
    assert await state_of(store, session) == (State.ENDED, EndReason.TOKEN_REUSED)
    await walk(store, inside)


async def test_with_grace_zero_rotation_is_strict(store: Store) -> None:
    """Every refresh rotates, even in the same millisecond, and no old token is taken."""
    session = await login(store)
    for generation in range(1, 20):
        answer = await refresh(store, session, generation, grace_ms=0)
        assert (answer.outcome, answer.session.generation) == (Outcome.ROTATED, generation + 1)
    with pytest.raises(RefreshTokenReusedError):
        await refresh(store, session, generation=19, grace_ms=0)


@pytest.mark.parametrize("lost", [1, 16])
async def test_a_token_a_little_ahead_recovers_what_a_failover_lost(
    store: Store, inside: Inside, lost: int
) -> None:
    """Its generation is adopted and rotated, and counted."""
    session = await login(store)
    answer = await refresh(store, session, generation=1 + lost, request="r1", mac_key_id=78)
    assert (answer.outcome, answer.session.generation) == (Outcome.RECOVERED, 2 + lost)
    assert answer.session.mac_key_id == 78
    assert answer.session.mint_ms == answer.now_ms
    assert (await inside.counts(ALICE))["recovered"] == 1
    again = await refresh(store, session, 1 + lost, request="r1", grace_ms=0)
    assert (again.outcome, again.session) == (Outcome.REPLAYED, answer.session)
    await walk(store, inside)


async def test_a_token_far_ahead_is_refused_and_changes_nothing(
    store: Store, inside: Inside
) -> None:
    """Seventeen generations cannot have been lost."""
    session = await login(store)
    before = await inside.snapshot()
    with pytest.raises(RefreshTokenAheadError):
        await refresh(store, session, generation=18)
    assert await inside.snapshot() == before


async def test_a_session_that_is_over_is_not_refreshed(store: Store, inside: Inside) -> None:
    """Ended, expired, unknown: each says so, and how and when."""
    ended, expired = await login(store), await login(store, idle_ms=MINUTE)
    revoked = await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await inside.let_pass(MINUTE)
    assert revoked is not None
    before = await inside.snapshot()
    with pytest.raises(SessionEndedError) as refused:
        await refresh(store, ended)
    assert refused.value.metadata["end_reason"] == "LOGOUT"
    with pytest.raises(SessionExpiredError) as late:
        await refresh(store, expired)
    assert late.value.metadata["end_reason"] == "IDLE"
    assert await inside.snapshot() == before
    await inside.let_pass(HOUR)
    with pytest.raises(SessionNotFoundError):
        await refresh(store, expired)
