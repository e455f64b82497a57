"""Adopt: an imported session gets its tokens once, and is a session like any other from then on."""

from __future__ import annotations

import asyncio
import random

import pytest

from sessiond.domain.errors import (
    RefreshTokenReusedError,
    ReplaySupersededError,
    RequestIdReusedError,
    SessionAlreadyAdoptedError,
    SessionEndedError,
    SessionExpiredError,
    SessionNotFoundError,
)
from sessiond.domain.ids import new_session_id
from sessiond.domain.session import EndReason, Outcome
from sessiond.store.replies import Found, Newcomer, Request
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from tests.conftest import rounds
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    BOB,
    HOUR,
    MAC_KEY,
    as_request,
    login,
    neighbour_of,
    refresh,
)
from tests.store.newcomers import bring, old_system
from tests.store.walk import walk

NEW_KEY = MAC_KEY + 1
ONCE = as_request("once")


@pytest.fixture
async def imported(transfer: TransferStore, inside: Inside) -> Newcomer:
    """A session of Alice that came in."""
    given = (await old_system(inside)).session(attributes={"a": "1"})
    await bring(transfer, given)
    return given


async def adopt(
    transfer: TransferStore, session_id: str, user: str = ALICE, request: Request | None = None
) -> Found:
    """Adopt a session under the MAC key of today."""
    return await transfer.adopt(session_id, user, mac_key_id=NEW_KEY, request=request or Request())


async def test_an_adopted_session_is_as_it_came_in(
    transfer: TransferStore, store: Store, inside: Inside, imported: Newcomer
) -> None:
    """Its token is of the first generation, minted now by the key of today; nothing else moves."""
    before = await store.get(imported.id)
    found = await adopt(transfer, imported.id)
    assert before is not None
    session = found.session
    assert (session.generation, session.mac_key_id, session.mint_ms) == (1, NEW_KEY, found.now_ms)
    assert (session.create_us, session.expire_ms) == (imported.create_us, imported.expire_ms)
    assert (session.attributes, session.refresh_ms) == ({"a": "1"}, before.session.refresh_ms)
    counts = await inside.counts(ALICE)
    assert counts == {"created": 1, "imported": 1, "adopted": 1, "live": 1, "w:1": 1}
    await walk(store, inside)


async def test_only_the_first_adopter_gets_it(
    transfer: TransferStore, inside: Inside, imported: Newcomer
) -> None:
    """With a request id or without one; the refusal changes nothing."""
    await adopt(transfer, imported.id, request=ONCE)
    before = await inside.snapshot()
    for request in (None, as_request("another")):
        with pytest.raises(SessionAlreadyAdoptedError) as caught:
            await adopt(transfer, imported.id, request=request)
        assert caught.value.metadata == {"session_id": imported.id}
    assert await inside.snapshot() == before


async def test_a_retry_gets_the_same_session(
    transfer: TransferStore, inside: Inside, imported: Newcomer
) -> None:
    """It changes nothing; another request under its id is refused."""
    first = await adopt(transfer, imported.id, request=ONCE)
    before = await inside.snapshot()
    again = await adopt(transfer, imported.id, request=ONCE)
    assert again.session == first.session
    with pytest.raises(RequestIdReusedError):
        await adopt(transfer, imported.id, request=as_request("once", "another digest"))
    assert await inside.snapshot() == before


@pytest.mark.parametrize("then", ["refreshed", "ended"])
async def test_a_retry_after_the_session_moved_on_gets_nothing(
    transfer: TransferStore, store: Store, imported: Newcomer, then: str
) -> None:
    """Somebody else holds its tokens by then, or nobody."""
    found = await adopt(transfer, imported.id, request=ONCE)
    if then == "refreshed":
        await refresh(store, found.session, grace_ms=0)
    else:
        await store.revoke(imported.id, EndReason.LOGOUT, "web")
    with pytest.raises(ReplaySupersededError):
        await adopt(transfer, imported.id, request=ONCE)


async def test_only_its_own_user_adopts_a_session(
    transfer: TransferStore, inside: Inside, imported: Newcomer
) -> None:
    """To others it does not exist, whichever partition they are in; nor does one never imported."""
    before = await inside.snapshot()
    for user in (BOB, neighbour_of(ALICE)):
        with pytest.raises(SessionNotFoundError):
            await adopt(transfer, imported.id, user, ONCE)
    with pytest.raises(SessionNotFoundError):
        await adopt(transfer, new_session_id(ALICE), request=ONCE)
    assert await inside.snapshot() == before


async def test_a_dead_session_is_not_adopted(
    transfer: TransferStore, store: Store, inside: Inside, imported: Newcomer
) -> None:
    """Ended or expired, it says so."""
    await store.revoke(imported.id, EndReason.LOGOUT, "web")
    with pytest.raises(SessionEndedError):
        await adopt(transfer, imported.id)
    short = (await old_system(inside)).session(left_ms=HOUR)
    await bring(transfer, short)
    await inside.let_pass(HOUR)
    with pytest.raises(SessionExpiredError):
        await adopt(transfer, short.id)


async def test_a_session_that_was_created_here_is_not_adopted(
    transfer: TransferStore, store: Store
) -> None:
    """Its tokens were given at its creation."""
    made = await login(store)
    with pytest.raises(SessionAlreadyAdoptedError):
        await adopt(transfer, made.id)


async def test_an_adopted_session_rotates_and_its_theft_is_noticed(
    transfer: TransferStore, store: Store, inside: Inside, imported: Newcomer
) -> None:
    """Within the grace time its token is current; then it rotates, and a superseded one ends it."""
    found = await adopt(transfer, imported.id)
    assert (await refresh(store, found.session)).outcome is Outcome.CURRENT
    rotated = await refresh(store, found.session, grace_ms=0)
    assert (rotated.outcome, rotated.session.generation) == (Outcome.ROTATED, 2)
    with pytest.raises(RefreshTokenReusedError):
        await refresh(store, found.session, grace_ms=0)
    ended = await store.get(imported.id)
    assert ended is not None
    assert ended.session.end_reason is EndReason.TOKEN_REUSED
    await walk(store, inside)


async def test_an_adoption_that_a_failover_lost_is_not_made_again_once_its_token_was_used(
    transfer: TransferStore, store: Store, inside: Inside, imported: Newcomer
) -> None:
    """Or two parties would hold tokens of one session."""
    found = await adopt(transfer, imported.id)
    await inside.ask("HSET", inside.key(imported.id), "y", "1")
    await refresh(store, found.session, grace_ms=0)
    with pytest.raises(SessionAlreadyAdoptedError):
        await adopt(transfer, imported.id)


async def test_of_many_adopters_at_once_exactly_one_gets_it(
    transfer: TransferStore, store: Store, inside: Inside
) -> None:
    """Whether they retry or not; whoever got it gets it again."""
    old = await old_system(inside)
    for turn in range(rounds(20)):
        user = f"user-{turn}"
        given = old.session(user)
        await bring(transfer, given)
        twice = [as_request(f"{given.id}-{n}") for n in range(3)] * 2
        requests = random.sample([*twice, Request(), Request()], 8)
        answers = await asyncio.gather(
            *(adopt(transfer, given.id, user, request) for request in requests),
            return_exceptions=True,
        )
        got = {
            request.key
            for request, answer in zip(requests, answers, strict=True)
            if isinstance(answer, Found)
        }
        refused = [answer for answer in answers if not isinstance(answer, Found)]
        assert {type(answer) for answer in refused} == {SessionAlreadyAdoptedError}
        (key,) = got
        assert len(refused) == (6 if key else 7)
    await walk(store, inside)
