"""What a verifier does while it cannot know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keys import TokenKey
from sessionstore import (
    CredentialRefused,
    EndReason,
    SessionEnded,
    SessionExpired,
    SessionNotFound,
    TokenExpired,
    TokenInvalid,
    Unavailable,
    WhenStale,
)
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService, failing
from tests.client.verifier.access import AUDIENCE, USER, publish, token
from tests.client.verifier.conftest import Verifying, eventually

SOON = timedelta(seconds=0.2)


def answer(
    verdict: pb.Verdict.ValueType,
    reason: session_pb2.EndReason.ValueType = session_pb2.END_REASON_UNSPECIFIED,
) -> pb.ValidateSessionResponse:
    return pb.ValidateSessionResponse(verdict=verdict, end_reason=reason)


@pytest.fixture
async def stale(log: FakeLog, make: Callable[..., Verifying]) -> Callable[..., Any]:
    """Make a verifier that was ready, until the engine fell silent."""

    async def make_stale(when_stale: WhenStale) -> Verifying:
        verifier = make(max_age=SOON, when_stale=when_stale)
        await verifier.wait_ready()
        log.checkpoints = False
        await eventually(lambda: verifier.state.stale)
        assert verifier.state.connected
        return verifier

    return make_stale


async def test_it_asks_the_service_and_goes_by_its_answer(
    service: FakeService, stale: Callable[..., Any], key: TokenKey
) -> None:
    """With the token and the audience; each time, however often it was asked."""
    verifier = await stale(WhenStale.ASK)
    session_id = new_session_id(USER)
    good = token(key, session_id)
    service.answer("ValidateSession", answer(pb.VERDICT_ACTIVE))

    for _ in range(3):
        assert (await verifier.verify(good)).session_id == session_id

    asked = [received.request for received in service.received["ValidateSession"]]
    assert asked == [pb.ValidateSessionRequest(access_token=good, audience=AUDIENCE)] * 3


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        (pb.VERDICT_ENDED, SessionEnded),
        (pb.VERDICT_EXPIRED, SessionExpired),
        (pb.VERDICT_NOT_FOUND, SessionNotFound),
        (pb.VERDICT_TOKEN_EXPIRED, TokenExpired),
        (pb.VERDICT_TOKEN_INVALID, TokenInvalid),
        (pb.VERDICT_UNSPECIFIED, TokenInvalid),
        (99, TokenInvalid),
    ],
)
async def test_what_the_service_refuses_is_refused(
    service: FakeService,
    stale: Callable[..., Any],
    key: TokenKey,
    verdict: pb.Verdict.ValueType,
    kind: type[CredentialRefused],
) -> None:
    """By the class of its verdict; one that is not known here lets nobody in."""
    verifier = await stale(WhenStale.ASK)
    session_id = new_session_id(USER)
    service.answer("ValidateSession", answer(verdict, session_pb2.END_REASON_REPLACED))

    error = await verifier.refusal(token(key, session_id))

    assert type(error) is kind
    if kind in (SessionEnded, SessionExpired):
        assert (error.session_id, error.end_reason) == (session_id, EndReason.REPLACED)


async def test_what_needs_no_answer_is_not_asked(
    service: FakeService, stale: Callable[..., Any], log: FakeLog, key: TokenKey
) -> None:
    """Forged, expired and for others; and of sessions that are known to have ended."""
    verifier = await stale(WhenStale.ASK)
    session_id = new_session_id(USER)
    log.end(session_id)
    await eventually(lambda: verifier.state.ended_sessions == 1)

    for refused in ("x", token(key)[:-4], token(key, aud="other"), token(key, session_id)):
        assert isinstance(await verifier.refusal(refused), CredentialRefused)
    assert type(await verifier.refusal(token(key, at_s=1.7e9))) is TokenExpired
    assert not service.received["ValidateSession"]


async def test_without_an_answer_it_says_that_it_cannot_know(
    service: FakeService, stale: Callable[..., Any], key: TokenKey
) -> None:
    """Whatever the service failed with; reason and retry time are passed on."""
    verifier = await stale(WhenStale.ASK)
    later = RetryInfo(retry_delay=Duration(seconds=7))
    for code, reason in (
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"),
        (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_EXPIRED"),
        (grpc.StatusCode.INTERNAL, "INTERNAL"),
    ):
        service.answer("ValidateSession", failing(code, reason, details=[later]))
        error = await verifier.refusal(token(key))
        assert type(error) is Unavailable
        assert (error.reason, error.retry_after) == (reason, timedelta(seconds=7))
        assert reason in str(error)


async def test_it_refuses_if_told_to(
    service: FakeService, stale: Callable[..., Any], key: TokenKey
) -> None:
    """That is no refusal of the token: it cannot know."""
    verifier = await stale(WhenStale.REFUSE)

    error = await verifier.refusal(token(key))

    assert type(error) is Unavailable
    assert type(await verifier.refusal(token(key)[:-4])) is TokenInvalid
    assert not service.received["ValidateSession"]


async def test_it_accepts_if_told_to(
    service: FakeService, stale: Callable[..., Any], log: FakeLog, key: TokenKey
) -> None:
    """But for sessions that it knows to have ended."""
    verifier = await stale(WhenStale.ACCEPT)
    session_id = new_session_id(USER)
    await verifier.verify(token(key))
    log.end(session_id)
    await eventually(lambda: verifier.state.ended_sessions == 1)

    assert type(await verifier.refusal(token(key, session_id))) is SessionEnded
    assert not service.received["ValidateSession"]


async def test_it_knows_again_with_the_next_checkpoint(
    service: FakeService, stale: Callable[..., Any], log: FakeLog, key: TokenKey
) -> None:
    """Then nobody is asked."""
    verifier = await stale(WhenStale.REFUSE)
    log.checkpoints = True
    await eventually(lambda: not verifier.state.stale)
    await verifier.verify(token(key))


async def test_checkpoints_that_were_long_on_their_way_do_not_make_it_young(
    log: FakeLog, make: Callable[..., Verifying]
) -> None:
    """Not even if they all were, from the first one on."""
    log.delay_s = 0.5
    verifier = make(max_age=SOON)
    await verifier.start()
    await eventually(lambda: verifier.state.age is not None)

    for _ in range(50):
        assert verifier.state.stale
        age = verifier.state.age
        assert age is not None
        assert age >= timedelta(seconds=0.49)


async def test_the_clock_of_the_engine_is_nobody_elses(
    log: FakeLog, make: Callable[..., Verifying], key: TokenKey
) -> None:
    """An hour ahead of ours or behind: the age is right, and tokens expire by the engine's."""
    for clock_s in (3600.0, -3600.0):
        log.clock_s = clock_s
        verifier = make()
        await verifier.wait_ready()
        age = verifier.state.age
        assert age is not None
        assert age < timedelta(seconds=2)

        await verifier.verify(token(key, at_s=log.now_s()))
        old = token(key, at_s=log.now_s() - 3632)
        assert type(await verifier.refusal(old)) is TokenExpired
        early = token(key, at_s=log.now_s() + 40)
        assert type(await verifier.refusal(early)) is TokenInvalid
        await verifier.close()


async def test_it_is_stale_once_its_keys_may_have_been_withdrawn(
    service: FakeService, log: FakeLog, make: Callable[..., Verifying], key: TokenKey
) -> None:
    """Though it hears of every ending: it asks, until it has the keys anew."""
    publish(service, key, lifetime=timedelta(seconds=0.3))
    verifier = make()
    await verifier.wait_ready()
    service.answer("GetSigningKeys", failing(grpc.StatusCode.INTERNAL, "INTERNAL"))
    await eventually(lambda: verifier.state.stale)
    service.answer("ValidateSession", answer(pb.VERDICT_ACTIVE))

    await verifier.verify(token(key))

    assert len(service.received["ValidateSession"]) == 1
    assert verifier.state.age is not None
    assert verifier.state.age < timedelta(seconds=5)
    publish(service, key)
    await eventually(lambda: not verifier.state.stale)
