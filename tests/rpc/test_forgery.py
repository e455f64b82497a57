"""Forged, damaged, oversized and mixed-up tokens: none is accepted, wherever it is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from sessiond.assembly.lifetimes import key_lifetimes
from sessiond.domain.errors import Reason
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keymaker import create_keys
from sessiond.tokens.keyring import KeyRing
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import Api, Refused, refused
from tests.rpc.forged_refresh import refresh_tokens
from tests.rpc.forgeries import (
    GARBAGE,
    OVERSIZED,
    Good,
    access_tokens,
    service_tokens,
)
from tests.rpc.serving import Server
from tests.unit.tokens.forge import header, signed

USER = "forged-user"
_METADATA_LIMIT = 8_000


@pytest.fixture(scope="module")
def good(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Good:
    directory: Path = tmp_path_factory.mktemp("stranger") / "keys"
    create_keys(directory)
    lifetimes = key_lifetimes(server.settings)
    made = server.api().create(USER)
    return Good(
        user=USER,
        session_id=made.session.session_id,
        access=made.tokens.access_token,
        refresh=made.tokens.refresh_token,
        service=server.mint("admin"),
        ring=KeyRing.load(server.settings.effective_keys_dir, lifetimes),
        stranger=KeyRing.load(directory, lifetimes),
    )


@pytest.fixture(autouse=True)
def untouched(good: Good, api: Api) -> Iterator[None]:
    """Whatever a test sends, the session and its refresh token stay as they were."""
    before = api.get(good.session_id)
    yield
    after = api.get(good.session_id)
    assert after.state == session_pb2.Session.STATE_ACTIVE
    assert after == before
    assert api.validate(refresh_token=good.refresh).verdict == pb.VERDICT_ACTIVE


@pytest.fixture
def forged(server: Server, good: Good) -> dict[str, str]:
    """All of them."""
    return {
        **{f"access: {k}": v for k, v in access_tokens(good, server.settings.issuer).items()},
        **{f"service: {k}": v for k, v in service_tokens(good).items()},
        **{f"refresh: {k}": v for k, v in refresh_tokens(good).items()},
        **GARBAGE,
    }


def _not(
    expected: object, tokens: dict[str, str], answer: Callable[[str], object]
) -> dict[str, object]:
    """The answers that are not as expected."""
    answers = {name: answer(token) for name, token in tokens.items()}
    return {name: found for name, found in answers.items() if found != expected}


def _refusal(error: Refused) -> tuple[grpc.StatusCode, str]:
    return error.code, error.reason


def test_there_are_many_forgeries(forged: dict[str, str]) -> None:
    """Each is another text."""
    assert len(forged) >= 150
    assert len(set(forged.values())) >= 150


def test_no_forgery_refreshes(api: Api, good: Good, forged: dict[str, str]) -> None:
    """Nor does a good token of another type, or one too long to be read."""
    mixed = {
        "an access token": good.access,
        "a service token": good.service,
        "an id": good.session_id,
    }
    expected = (grpc.StatusCode.INVALID_ARGUMENT, Reason.REFRESH_TOKEN_INVALID)
    assert not _not(
        expected, forged | mixed | OVERSIZED, lambda token: _refusal(refused(api.refresh, token))
    )


def test_no_forgery_revokes(api: Api, good: Good, forged: dict[str, str]) -> None:
    """A refresh token has to be good to end its session."""
    mixed = {"an access token": good.access, "a service token": good.service, "nothing": ""}
    expected = (grpc.StatusCode.INVALID_ARGUMENT, Reason.REFRESH_TOKEN_INVALID)
    assert not _not(
        expected,
        forged | mixed | OVERSIZED,
        lambda token: _refusal(refused(api.revoke, refresh_token=token)),
    )


def test_no_forgery_validates_as_an_access_token(
    api: Api, good: Good, forged: dict[str, str]
) -> None:
    """ "Not valid" is an answer: TOKEN_INVALID for every one."""
    mixed = {
        "a refresh token": good.refresh,
        "a service token": good.service,
        "an id": good.session_id,
    }

    def verdict(token: str) -> pb.Verdict.ValueType:
        return api.validate(access_token=token).verdict

    assert not _not(pb.VERDICT_TOKEN_INVALID, forged | mixed | OVERSIZED, verdict)


def test_no_forgery_validates_as_a_refresh_token(
    api: Api, good: Good, forged: dict[str, str]
) -> None:
    """In one batch, too."""
    mixed = {
        "an access token": good.access,
        "a service token": good.service,
        "an id": good.session_id,
    }
    tokens = forged | mixed | OVERSIZED
    requests = [pb.ValidateSessionRequest(refresh_token=token) for token in tokens.values()]
    verdicts = {result.verdict for result in api.validate_many(requests)}
    assert verdicts == {pb.VERDICT_TOKEN_INVALID}


def test_no_forgery_authenticates_a_caller(
    server: Server, good: Good, forged: dict[str, str]
) -> None:
    """UNAUTHENTICATED; what is too long for metadata is for the next test."""
    mixed = {"an access token": good.access, "a refresh token": good.refresh}
    channel = server.channel()
    tokens = {
        name: token
        for name, token in (forged | mixed).items()
        if len(token) < _METADATA_LIMIT and token.isascii() and token.isprintable()
    }
    expected = (grpc.StatusCode.UNAUTHENTICATED, Reason.CREDENTIALS_INVALID)

    def answer(token: str) -> tuple[grpc.StatusCode, str]:
        return _refusal(refused(Api(channel, token).signing_keys))

    assert not _not(expected, tokens, answer)


def test_credentials_of_a_megabyte_are_refused_and_the_server_goes_on(
    server: Server, api: Api
) -> None:
    """By gRPC, which bounds metadata."""
    channel = server.channel()
    for token in OVERSIZED.values():
        error = refused(Api(channel, token).signing_keys)
        assert error.code in (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            grpc.StatusCode.UNAUTHENTICATED,
            grpc.StatusCode.UNAVAILABLE,
        )
    assert api.signing_keys().keys


def test_an_expired_access_token_is_told_from_a_forged_one(api: Api, good: Good) -> None:
    """TOKEN_EXPIRED, where nothing else is wrong with it."""
    key, now = good.key(Kind.SIGNING), int(time.time())
    claims = {
        "iss": "sessionstore", "sub": USER, "aud": "sessionstore", "client_id": "admin",
        "exp": now - 60, "iat": now - 120, "jti": "a" * 22, "sid": good.session_id,
    }  # fmt: skip
    verdicts = [
        api.validate(access_token=signed(key, header(key), {**claims, "exp": exp})).verdict
        for exp in (now - 60, now - 10, now + 60)
    ]
    assert verdicts == [pb.VERDICT_TOKEN_EXPIRED, pb.VERDICT_ACTIVE, pb.VERDICT_ACTIVE]


def test_a_good_token_of_no_caller_stays_refused(server: Server) -> None:
    """A remembered signature is no role."""
    token = server.mint("lost-caller")
    for _ in range(2):
        error = refused(Api(server.channel(), token).signing_keys)
        assert error.reason == Reason.CREDENTIALS_INVALID
