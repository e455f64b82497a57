"""What refresh and extend share: the later expiry and the client's details."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sessiond.domain.errors import SessionEndedError, SessionExpiredError, SessionNotFoundError
from sessiond.domain.session import Client, Cut, EndReason, Session
from sessiond.store.replies import Extended
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import ALICE, DAY, HOUR, MINUTE, NOBODY, REMEMBERED, WEB, login, refresh
from tests.store.walk import walk

Extending = Callable[[Store, Session, Client], Awaitable[Extended]]


async def _by_token(store: Store, session: Session, client: Client) -> Extended:
    return await refresh(store, session, client=client)


async def _by_id(store: Store, session: Session, client: Client) -> Extended:
    return await store.extend(session.id, client)


either = pytest.mark.parametrize("extending", [_by_token, _by_id])


@either
async def test_the_expiry_moves_to_now_and_the_idle_lifetime(
    store: Store, inside: Inside, extending: Extending
) -> None:
    """The hash's TTL moves with it; the index of visits does not."""
    session = await login(store)
    visits = await inside.scores(ALICE, "users")
    answer = await extending(store, session, NOBODY)
    assert answer.session.id == session.id
    assert answer.previous_expire_ms == session.expire_ms
    assert answer.session.expire_ms == answer.now_ms + WEB.idle_ms
    assert answer.session.refresh_ms == answer.session.last_seen_ms == answer.now_ms
    assert await inside.expires_ms(session.id) == answer.session.expire_ms + REMEMBERED
    assert await inside.scores(ALICE, "users") == visits
    await walk(store, inside)


@either
async def test_the_expiry_never_passes_the_absolute_expiry(
    store: Store, inside: Inside, extending: Extending
) -> None:
    """It stops there, and the session then ends by it."""
    session = await login(store, idle_ms=20 * HOUR, absolute_ms=DAY)
    await inside.let_pass(10 * HOUR)
    answer = await extending(store, session, NOBODY)
    assert answer.session.expire_ms == answer.session.absolute_expire_ms
    assert answer.session.absolute_expire_ms == session.absolute_expire_ms - 10 * HOUR
    assert (await extending(store, answer.session, NOBODY)).session.expire_ms == (
        answer.session.expire_ms
    )


@either
async def test_the_expiry_is_never_shortened(
    store: Store, inside: Inside, extending: Extending
) -> None:
    """A clock that stepped back takes nothing away."""
    session = await login(store, idle_ms=DAY)
    await inside.let_pass(-HOUR)
    answer = await extending(store, session, NOBODY)
    assert answer.session.expire_ms == session.expire_ms + HOUR == answer.previous_expire_ms


@either
async def test_client_details_that_came_are_kept(store: Store, extending: Extending) -> None:
    """User agent and address follow the client; the device id is the session's own."""
    session = await login(store, client=Client("UA/1", "1.1.1.1", "device", "phone", "print"))
    answer = await extending(store, session, Client("UA/2", "2.2.2.2", "other", "tablet", "foot"))
    assert answer.session.client == Client("UA/2", "2.2.2.2", "device", "tablet", "foot")
    found = await store.get(session.id)
    assert found is not None
    assert found.session == answer.session


@either
async def test_client_details_that_did_not_come_stay(store: Store, extending: Extending) -> None:
    """An empty detail deletes nothing."""
    client = Client("UA/1", "1.1.1.1", "device", "phone", "print", Cut.USER_AGENT)
    session = await login(store, client=client)
    assert (await extending(store, session, NOBODY)).session.client == client


@either
async def test_the_mark_of_a_cut_detail_follows_the_detail(
    store: Store, extending: Extending
) -> None:
    """Cut anew, cut no longer, or as before."""
    session = await login(store, client=Client("UA", "ip", "", "name", "", Cut.USER_AGENT))
    answer = await extending(store, session, Client(device_name="long", cut=Cut.DEVICE_NAME))
    assert answer.session.client.cut == Cut.USER_AGENT | Cut.DEVICE_NAME
    answer = await extending(store, answer.session, Client(user_agent="short"))
    assert answer.session.client.cut == Cut.DEVICE_NAME


async def test_many_refreshes_leave_one_session(store: Store, inside: Inside) -> None:
    """The same id, a later expiry each time, never past the absolute one."""
    session = await login(store, idle_ms=DAY, absolute_ms=3 * DAY)
    remaining = [DAY]
    for _ in range(11):
        await inside.let_pass(6 * HOUR)
        answer = await refresh(store, session)
        assert answer.session.id == session.id
        assert answer.session.expire_ms >= answer.previous_expire_ms
        assert answer.session.expire_ms <= answer.session.absolute_expire_ms
        remaining.append(answer.session.expire_ms - answer.now_ms)
        session = answer.session
    assert remaining[:8] == [DAY] * 8
    assert remaining[8] > remaining[9] > remaining[10] > remaining[11] > 0
    counts = await inside.counts(ALICE)
    assert (counts["created"], counts["live"], counts["refreshed"]) == (1, 1, 11)
    await walk(store, inside)


async def test_extend_leaves_the_token_alone(store: Store, inside: Inside) -> None:
    """Neither generation nor minting time nor key move; extends have a counter of their own."""
    session = await login(store)
    answer = await store.extend(session.id, NOBODY)
    assert answer.session.generation == session.generation
    assert answer.session.mint_ms == session.mint_ms
    assert answer.session.mac_key_id == session.mac_key_id
    counts = await inside.counts(ALICE)
    assert (counts["extended"], "refreshed" in counts) == (1, False)


async def test_a_session_that_is_over_is_not_extended(store: Store, inside: Inside) -> None:
    """Ended, expired, forgotten: each says so and nothing changes."""
    ended, expired = await login(store), await login(store, idle_ms=MINUTE)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await inside.let_pass(MINUTE)
    before = await inside.snapshot()
    with pytest.raises(SessionEndedError):
        await store.extend(ended.id, NOBODY)
    with pytest.raises(SessionExpiredError):
        await store.extend(expired.id, NOBODY)
    assert await inside.snapshot() == before
    await inside.let_pass(HOUR)
    with pytest.raises(SessionNotFoundError):
        await store.extend(expired.id, NOBODY)
