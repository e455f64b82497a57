"""Keys are fetched, cached and rotated without a good token being refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keys import Algorithm, TokenKey
from sessionstore import TokenInvalid, Unavailable, WhenStale
from sessionstore.v1 import session_service_pb2 as pb
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService, failing
from tests.client.verifier.access import USER, new_key, publish, signing_keys, token
from tests.client.verifier.conftest import Verifying, eventually

LONG = timedelta(minutes=5)


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_keys_of_either_algorithm_verify(
    service: FakeService, make: Callable[..., Verifying], tmp_path: Path, algorithm: Algorithm
) -> None:
    """Side by side with another one."""
    FakeLog(service)
    key, other = new_key(tmp_path / "a", algorithm), new_key(tmp_path / "b")
    publish(service, key, other)
    verifier = make()
    await verifier.wait_ready()

    for each in (key, other):
        await verifier.verify(token(each))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment is shorter."""
    monkeypatch.setattr("sessionstore._verifying.keys._PAUSE_S", 0.05)


async def test_a_token_of_an_unknown_key_has_the_keys_fetched_once(
    service: FakeService, verifier: Verifying, key: TokenKey, other_key: TokenKey
) -> None:
    """However many come at once: nobody is refused, and one request is sent."""
    publish(service, key, other_key)
    await verifier.keys_are_old()
    before = len(service.received["GetSigningKeys"])

    verified = await asyncio.gather(*(verifier.verify(token(other_key)) for _ in range(20)))

    assert len(verified) == 20
    assert len(service.received["GetSigningKeys"]) == before + 1


@pytest.mark.usefixtures("quick")
async def test_those_who_wait_for_keys_in_vain_wait_together(
    service: FakeService, log: FakeLog, make: Callable[..., Verifying], other_key: TokenKey
) -> None:
    """A request that takes long and fails is not repeated for each of them in turn."""
    verifier = make(when_stale=WhenStale.REFUSE)
    await verifier.wait_ready()
    before = len(service.received["GetSigningKeys"])
    unavailable = failing(grpc.StatusCode.INTERNAL)

    def fail_late(*args: Any) -> None:
        time.sleep(0.2)
        unavailable(*args)

    service.answer("GetSigningKeys", fail_late)
    await verifier.keys_are_old()

    refusals = await asyncio.gather(*(verifier.refusal(token(other_key)) for _ in range(5)))

    assert {type(each) for each in refusals} == {Unavailable}
    assert len(service.received["GetSigningKeys"]) == before + 1


async def test_tokens_of_made_up_keys_do_not_reach_the_service(
    service: FakeService, verifier: Verifying, other_key: TokenKey
) -> None:
    """But for one request in a second."""
    began = time.monotonic()
    for _ in range(200):
        assert type(await verifier.refusal(token(other_key))) is TokenInvalid
    took_s = time.monotonic() - began
    assert len(service.received["GetSigningKeys"]) <= 2 + took_s


@pytest.mark.usefixtures("quick")
async def test_keys_are_fetched_again_before_their_time_is_over(
    service: FakeService, log: FakeLog, make: Callable[..., Verifying], key: TokenKey
) -> None:
    """By themselves: no token has to need them, and none has to wait."""
    publish(service, key, lifetime=timedelta(seconds=1))
    verifier = make(when_stale=WhenStale.REFUSE)
    await verifier.wait_ready()

    async with asyncio.timeout(20):
        while len(service.received["GetSigningKeys"]) < 3:
            await verifier.verify(token(key))
            await asyncio.sleep(0.01)
    assert not verifier.state.stale


@pytest.mark.usefixtures("quick")
async def test_a_withdrawn_key_verifies_nothing_any_more(
    service: FakeService, verifier: Verifying, key: TokenKey, other_key: TokenKey
) -> None:
    """Not even a token that is remembered, as soon as the keys are fetched."""
    session_id = new_session_id(USER)
    remembered = token(key, session_id)
    await verifier.verify(remembered)

    publish(service, other_key)
    await verifier.keys_are_old()
    await verifier.verify(token(other_key))

    assert type(await verifier.refusal(remembered)) is TokenInvalid
    assert type(await verifier.refusal(token(key, session_id))) is TokenInvalid


async def test_without_the_key_it_asks_or_cannot_know(
    service: FakeService, log: FakeLog, make: Callable[..., Verifying], key: TokenKey
) -> None:
    """A token that is not verified is never accepted, but by the service."""
    service.answer("GetSigningKeys", failing(grpc.StatusCode.INTERNAL, "INTERNAL"))
    service.answer("ValidateSession", pb.ValidateSessionResponse(verdict=pb.Verdict.VERDICT_ACTIVE))
    for when_stale in (WhenStale.REFUSE, WhenStale.ACCEPT):
        for _ in range(3):
            assert type(await make(when_stale=when_stale).refusal(token(key))) is Unavailable
    assert not service.received["ValidateSession"]

    session_id = new_session_id(USER)
    assert (await make().verify(token(key, session_id))).session_id == session_id
    assert type(await make().refusal("no token")) is TokenInvalid
    assert len(service.received["ValidateSession"]) == 1


async def test_accepting_goes_on_with_the_keys_that_it_has(
    service: FakeService, log: FakeLog, make: Callable[..., Verifying], key: TokenKey
) -> None:
    """Though they may have been withdrawn: that is what was chosen."""
    publish(service, key, lifetime=timedelta(seconds=0.1))
    verifier = make(when_stale=WhenStale.ACCEPT)
    await verifier.verify(token(key))
    service.answer("GetSigningKeys", failing(grpc.StatusCode.UNAVAILABLE))
    await eventually(lambda: verifier.state.stale)

    await verifier.verify(token(key))
    assert type(await verifier.refusal(token(key)[:-4])) is TokenInvalid


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "HS256", "kty": "oct", "crv": ""},
        {"alg": "RS256", "kty": "RSA", "crv": ""},
        {"alg": "ES256"},
        {"alg": "EdDSA", "crv": "Ed448"},
        {"alg": "none"},
        {"use": "enc"},
        {"x": ""},
        {"x": "AAAA"},
        {"x": "?"},
    ],
)
async def test_a_key_of_another_kind_is_not_believed(
    log: FakeLog,
    make: Callable[..., Verifying],
    key: TokenKey,
    other_key: TokenKey,
    changes: dict[str, Any],
) -> None:
    """It verifies nothing, and those beside it do."""
    answer = signing_keys([key, other_key], LONG)
    for name, value in changes.items():
        setattr(answer.keys[1], name, value)
    log.service.answer("GetSigningKeys", answer)
    verifier = make()
    await verifier.wait_ready()

    await verifier.verify(token(key))
    assert type(await verifier.refusal(token(other_key))) is TokenInvalid
