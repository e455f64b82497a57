"""What a verifier says of tokens while all is well."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keys import TokenKey
from sessionstore import (
    CredentialRefused,
    EndReason,
    SessionEnded,
    SessionUnusable,
    TokenExpired,
    TokenInvalid,
    TokenRefused,
    VerifiedToken,
)
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService
from tests.client.verifier.access import AUDIENCE, USER, token
from tests.client.verifier.conftest import Verifying, eventually


async def test_a_good_token_is_told_without_a_call(
    service: FakeService, verifier: Verifying, key: TokenKey
) -> None:
    """Every claim is given, and the service is not asked."""
    session_id, now = new_session_id(USER), int(time.time())
    good = token(key, session_id, at_s=now, aud=[AUDIENCE, "other"], acr="2", amr=["pwd"])

    for _ in range(2):
        verified = await verifier.verify(good)

        assert verified == VerifiedToken(
            session_id=session_id,
            user_id=USER,
            client_id="web",
            audience=(AUDIENCE, "other"),
            issue_time=datetime.fromtimestamp(now, UTC),
            expire_time=datetime.fromtimestamp(now + 3600, UTC),
            claims=verified.claims,
        )
        assert (verified.claims["acr"], verified.claims["amr"]) == ("2", ["pwd"])
    assert not service.received["ValidateSession"]
    assert good not in repr(verified)


async def test_a_token_is_refused_once_its_session_has_ended(
    verifier: Verifying, log: FakeLog, key: TokenKey
) -> None:
    """Also one that was taken before, and any later one of the session; others go on."""
    session_id = new_session_id(USER)
    good, other = token(key, session_id), token(key)
    await verifier.verify(good)
    await verifier.verify(other)

    log.end(session_id)
    await eventually(lambda: verifier.state.ended_sessions == 1)

    for refused in (good, token(key, session_id, jti="b" * 22)):
        error = await verifier.refusal(refused)
        assert type(error) is SessionEnded
        assert (error.reason, error.session_id) == ("SESSION_ENDED", session_id)
        assert error.end_reason is EndReason.LOGOUT
    await verifier.verify(other)


async def test_what_ended_before_is_known_from_the_snapshot(
    log: FakeLog, make: Callable[..., Verifying], key: TokenKey
) -> None:
    """In however many parts it comes; why it ended is not known."""
    log.part = 3
    sessions = [new_session_id(USER) for _ in range(10)]
    for session_id in sessions:
        log.end(session_id)
    verifier = make()
    await verifier.wait_ready()

    for session_id in sessions:
        error = await verifier.refusal(token(key, session_id))
        assert type(error) is SessionEnded
        assert error.end_reason is None


async def test_an_expired_token_is_told_from_a_bad_one(verifier: Verifying, key: TokenKey) -> None:
    """Up to the leeway of 30 s it is good; a bad one that is also old is bad."""
    now = int(time.time())
    await verifier.verify(token(key, exp=now - 20, iat=now - 60))

    error = await verifier.refusal(token(key, exp=now - 32, iat=now - 60))
    assert (type(error), error.reason) == (TokenExpired, "TOKEN_EXPIRED")
    error = await verifier.refusal(token(key, exp=now - 32, iat=now - 60, aud="other"))
    assert (type(error), error.reason) == (TokenInvalid, "TOKEN_INVALID")


async def test_a_token_for_others_is_refused(verifier: Verifying, key: TokenKey) -> None:
    """The audience is compared whole."""
    for audience in ("other", "AP", "api/", ["other", "more"]):
        assert type(await verifier.refusal(token(key, aud=audience))) is TokenInvalid


async def test_what_refuses_a_credential_has_one_base(
    verifier: Verifying, log: FakeLog, key: TokenKey
) -> None:
    """It tells a token that is not good from a session that is not live."""
    session_id = new_session_id(USER)
    log.end(session_id)
    await eventually(lambda: verifier.state.ended_sessions == 1)

    refused = await verifier.refusal("no token")
    ended = await verifier.refusal(token(key, session_id))

    assert isinstance(refused, CredentialRefused)
    assert isinstance(ended, CredentialRefused)
    assert (isinstance(refused, TokenRefused), isinstance(ended, TokenRefused)) == (True, False)
    assert (isinstance(refused, SessionUnusable), isinstance(ended, SessionUnusable)) == (
        False,
        True,
    )


async def test_the_state_tells_how_it_is_doing(
    log: FakeLog, make: Callable[..., Verifying], key: TokenKey
) -> None:
    """Before, while and after it listens."""
    verifier = make()
    assert (verifier.state.age, verifier.state.stale, verifier.state.connected) == (
        None,
        True,
        False,
    )
    await verifier.wait_ready()
    await verifier.verify(token(key))
    log.end(new_session_id(USER))
    await eventually(lambda: verifier.state.ended_sessions == 1)

    state = verifier.state
    assert state.age is not None
    assert state.age < timedelta(seconds=2)
    assert (state.stale, state.connected, state.remembered_tokens) == (False, True, 1)
    assert state.last_error is None

    await verifier.close()
    assert not verifier.state.connected


async def test_it_watches_for_nothing_but_endings(verifier: Verifying, log: FakeLog) -> None:
    """Creations are left out by the service."""
    assert {tuple(request.types) for request in log.requests} == {(2,)}


@pytest.mark.parametrize(
    "options",
    [
        {"audience": ""},
        {"max_age": timedelta(0)},
        {"leeway": timedelta(seconds=31)},
        {"leeway": timedelta(seconds=-1)},
        {"remember": -1},
        {"when_stale": "HOPE"},
    ],
)
async def test_bounds_out_of_range_are_refused(
    make: Callable[..., Verifying], options: dict[str, object]
) -> None:
    """Where the verifier is made."""
    with pytest.raises(ValueError, match=r"."):
        make(**options)


async def test_a_closed_verifier_says_so(verifier: Verifying, key: TokenKey) -> None:
    """Closing it twice is no error."""
    for _ in range(2):
        await verifier.close()
        error = await verifier.refusal(token(key))
        assert type(error) is RuntimeError
        assert "closed" in str(error)
