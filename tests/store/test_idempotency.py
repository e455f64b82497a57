"""Request ids: a retry gets what the first call did, and nobody else ever does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sessiond.domain.errors import (
    ReplaySupersededError,
    RequestIdReusedError,
    SessionLimitReachedError,
)
from sessiond.domain.session import EndReason, Session, State
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    BOB,
    DAY,
    HOUR,
    KIOSK,
    MOBILE,
    WEB,
    as_request,
    capped,
    create,
    login,
    neighbour_of,
    refresh,
)
from tests.store.walk import walk

KEY = as_request("key")


async def test_a_retried_create_gives_the_same_session(store: Store, inside: Inside) -> None:
    """And the same evicted ones, without a second session."""
    await login(store, profile=capped(WEB, 1))
    made = await create(store, profile=capped(WEB, 1), request=KEY)
    before = await inside.snapshot()
    again = await create(store, profile=capped(WEB, 1), request=KEY)
    assert (made.replayed, again.replayed) == (False, True)
    assert again.session == made.session
    assert [s.id for s in again.evicted] == [s.id for s in made.evicted]
    assert await inside.snapshot() == before
    await walk(store, inside)


async def test_a_retry_replays_even_at_a_rejecting_cap(store: Store) -> None:
    """The request was granted before; the cap it filled does not refuse it now."""
    await login(store, profile=KIOSK)
    made = await create(store, profile=KIOSK, request=KEY)
    with pytest.raises(SessionLimitReachedError):
        await create(store, profile=KIOSK)
    assert (await create(store, profile=KIOSK, request=KEY)).session.id == made.session.id


async def test_a_refused_create_is_not_recorded(store: Store) -> None:
    """The same request may succeed once there is room."""
    first, _ = await login(store, profile=KIOSK), await login(store, profile=KIOSK)
    with pytest.raises(SessionLimitReachedError):
        await create(store, profile=KIOSK, request=KEY)
    await store.revoke(first.id, EndReason.LOGOUT, "app")
    assert not (await create(store, profile=KIOSK, request=KEY)).replayed


async def test_another_request_under_the_same_id_is_refused(store: Store, inside: Inside) -> None:
    """For create and for revoke-all; nothing changes."""
    await create(store, request=KEY)
    other = as_request("key", "other digest")
    before = await inside.snapshot()
    with pytest.raises(RequestIdReusedError):
        await create(store, request=other)
    with pytest.raises(RequestIdReusedError):
        await store.revoke_user(ALICE, EndReason.REVOKED, "app", other)
    assert await inside.snapshot() == before


@pytest.mark.parametrize("user", [ALICE, neighbour_of(ALICE), BOB])
async def test_another_key_never_sees_the_result(store: Store, user: str) -> None:
    """The key holds the caller and the user: another of either creates a session of its own."""
    made = await create(store, request=as_request("app/alice/1"))
    other = await create(store, user, request=as_request("shop/alice/1"))
    assert not other.replayed
    assert other.session.id != made.session.id
    assert other.session.user_id == user


async def test_an_empty_id_is_never_recorded_and_never_matches(
    store: Store, inside: Inside
) -> None:
    """Two creates without one are two sessions."""
    first, second = await create(store), await create(store)
    assert first.session.id != second.session.id
    assert not [key for key in await inside.all_keys() if ":i:" in key]


async def test_a_record_is_kept_for_its_time_and_no_longer(store: Store, inside: Inside) -> None:
    """After that the id is new again."""
    made = await create(store, request=as_request("key", ttl_ms=HOUR))
    await inside.let_pass(HOUR - 30_000)
    assert (await create(store, request=KEY)).session.id == made.session.id
    await inside.let_pass(30_000)
    assert not (await create(store, request=KEY)).replayed


async def _refreshed(store: Store, inside: Inside, session: Session) -> None:
    await refresh(store, session, grace_ms=0)


async def _revoked(store: Store, inside: Inside, session: Session) -> None:
    await store.revoke(session.id, EndReason.LOGOUT, "app")


async def _expired(store: Store, inside: Inside, session: Session) -> None:
    await inside.let_pass(HOUR)


async def _forgotten(store: Store, inside: Inside, session: Session) -> None:
    await inside.let_pass(3 * HOUR)


@pytest.mark.parametrize("moved_on", [_refreshed, _revoked, _expired, _forgotten])
async def test_a_session_that_moved_on_is_not_replayed(
    store: Store, inside: Inside, moved_on: Callable[[Store, Inside, Session], Awaitable[None]]
) -> None:
    """Its tokens are another's by now: the retry learns the id, and no second session is made."""
    request = as_request("key", ttl_ms=DAY)
    session = await login(store, idle_ms=HOUR, request=request)
    await moved_on(store, inside, session)
    before = await inside.snapshot()
    with pytest.raises(ReplaySupersededError) as refused:
        await create(store, request=request)
    assert refused.value.metadata == {"session_id": session.id}
    assert await inside.snapshot() == before


async def test_an_extended_session_still_replays(store: Store) -> None:
    """Its refresh token is still the first."""
    session = await login(store, request=KEY)
    await store.extend(session.id, session.client)
    assert (await create(store, request=KEY)).session.id == session.id


async def test_a_late_retry_of_revoke_all_does_not_end_a_newer_login(
    store: Store, inside: Inside
) -> None:
    """It names what the first call ended, and ends nothing."""
    made = [await login(store), await login(store, profile=MOBILE)]
    ended = await store.revoke_user(ALICE, EndReason.REVOKED, "app", KEY)
    assert set(ended) == {s.id for s in made}
    newer = await login(store)
    assert await store.revoke_user(ALICE, EndReason.REVOKED, "app", KEY) == ended
    found = await store.get(newer.id)
    assert found is not None
    assert found.session.state is State.ACTIVE
    assert len(await store.revoke_user(ALICE, EndReason.REVOKED, "app", as_request("2"))) == 1
    await walk(store, inside)


async def test_a_revoke_all_that_ended_nothing_is_recorded_too(store: Store) -> None:
    """Its retry must not end a login that came between."""
    assert await store.revoke_user(ALICE, EndReason.REVOKED, "app", KEY) == ()
    await login(store)
    assert await store.revoke_user(ALICE, EndReason.REVOKED, "app", KEY) == ()
