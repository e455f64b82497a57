"""What every web framework answers to whoever is in no session, and in one."""

from __future__ import annotations

import grpc
import httpx
import pytest

from sessionstore import (
    CreatedSession,
    EndReason,
    SessionClient,
    SessionExpired,
    SessionNotFound,
    SessionStoreError,
    TokenExpired,
)
from tests.integrations.conftest import OpenSite
from tests.integrations.sites import Kind, Site
from tests.integrations.standins import OUT_OF_REACH, failing_verifier


def bearer(login: CreatedSession) -> str:
    return f"Bearer {login.tokens.access_token}"


def refused(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Status, reason and challenge."""
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.json()["reason"], answer.headers.get("WWW-Authenticate")


async def test_a_bearer_token_is_let_in(site: Site, login: CreatedSession) -> None:
    """Whatever the case of the scheme (RFC 9110, 11.1), and no cookie is set for it."""
    browser = site.browser()
    for scheme in ("Bearer", "bearer"):
        token = login.tokens.access_token
        answer = await browser.get("/me", Authorization=f"{scheme} {token}")
        assert answer.json() == {"user": "alice"}
    assert browser.cookies == {}


async def test_a_cookie_is_let_in(site: Site, login: CreatedSession) -> None:
    """With the access token alone."""
    browser = site.browser()
    browser.hold(access=login.tokens.access_token)
    assert (await browser.get("/me")).json() == {"user": "alice"}


async def test_without_a_credential_the_challenge_names_no_error(site: Site) -> None:
    """RFC 6750, 3.1: who sent nothing is told only what to send."""
    answer = await site.browser().get("/me")
    assert refused(answer) == (401, "TOKEN_MISSING", "Bearer")


@pytest.mark.parametrize("scheme", ["Basic YWxpY2U6cGFzc3dvcmQ=", "Bearer", "Token x"])
async def test_other_schemes_are_no_credential(site: Site, scheme: str) -> None:
    """But a bearer token that is empty is one, and not good."""
    answer = await site.browser().get("/me", Authorization=scheme)
    assert answer.status_code == 401
    expected = "TOKEN_INVALID" if scheme == "Bearer" else "TOKEN_MISSING"
    assert answer.json()["reason"] == expected


async def test_a_token_in_the_query_is_not_seen(site: Site, login: CreatedSession) -> None:
    """RFC 6750, 2.3 is left out on purpose: addresses are logged everywhere."""
    answer = await site.browser().get(f"/me?access_token={login.tokens.access_token}")
    assert refused(answer)[1] == "TOKEN_MISSING"


@pytest.mark.parametrize("token", ["x", "a.b.c", "x" * 5000, "a, Bearer b"])
async def test_a_forged_token_is_refused(site: Site, token: str) -> None:
    """As invalid_token (RFC 6750, 3.1), in words that hold nothing of it."""
    answer = await site.browser().get("/me", Authorization=f"Bearer {token}")
    challenge = 'Bearer error="invalid_token", error_description="the token is not valid"'
    assert refused(answer) == (401, "TOKEN_INVALID", challenge)


async def test_a_bad_header_is_not_saved_by_a_good_cookie(
    site: Site, login: CreatedSession
) -> None:
    """The header goes first, and leaves cookies alone."""
    browser = site.browser()
    browser.hold(access=login.tokens.access_token, refresh=login.tokens.refresh_token)
    before = browser.cookies
    answer = await browser.get("/me", Authorization="Bearer x")
    assert refused(answer)[1] == "TOKEN_INVALID"
    assert browser.cookies == before


async def test_a_header_goes_before_a_cookie(
    site: Site, login: CreatedSession, sessions: SessionClient
) -> None:
    """Two users, one in each: the header's is served."""
    browser = site.browser()
    browser.hold(access=sessions.create("bob").tokens.access_token)
    answer = await browser.get("/me", Authorization=bearer(login))
    assert answer.json() == {"user": "alice"}


async def test_an_ended_session_is_refused_and_says_why(
    site: Site, login: CreatedSession, sessions: SessionClient
) -> None:
    """As soon as the verifier has heard of it."""
    browser = site.browser()
    assert (await browser.get("/me", Authorization=bearer(login))).status_code == 200
    sessions.revoke(session_id=login.session.id, reason=EndReason.LOGOUT)
    answer = await browser.until(401, "/me", Authorization=bearer(login))
    assert refused(answer)[:2] == (401, "SESSION_ENDED")
    assert answer.json() == {"reason": "SESSION_ENDED", "end_reason": "LOGOUT"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TokenExpired, "TOKEN_EXPIRED"),
        (SessionExpired, "SESSION_EXPIRED"),
        (SessionNotFound, "SESSION_NOT_FOUND"),
    ],
)
async def test_what_a_verifier_says_is_passed_on(
    open_site: OpenSite, kind: Kind, error: type[SessionStoreError], reason: str
) -> None:
    """Each as 401 with its own reason."""
    told = error(grpc.StatusCode.UNAUTHENTICATED, "canary")
    site = open_site(verifier=failing_verifier(kind, told))
    answer = await site.browser().get("/me", Authorization="Bearer x")
    assert refused(answer)[:2] == (401, reason)
    assert "canary" not in answer.text


async def test_where_nobody_can_tell_the_answer_is_to_try_again(
    open_site: OpenSite, kind: Kind
) -> None:
    """503 with Retry-After, for required and optional sessions, and cookies are left alone."""
    site = open_site(verifier=failing_verifier(kind, OUT_OF_REACH))
    browser = site.browser()
    browser.hold(access="x", refresh="y")
    before = browser.cookies
    for path in ("/me", "/maybe"):
        answer = await browser.get(path)
        assert refused(answer) == (503, "UNAVAILABLE", None)
        assert answer.headers["Retry-After"] == "1"
        assert "Set-Cookie" not in answer.headers
    assert browser.cookies == before


async def test_an_optional_session_may_be_missing_or_bad(site: Site, login: CreatedSession) -> None:
    """Whoever is not logged in is served as a stranger."""
    browser = site.browser()
    assert (await browser.get("/maybe")).json() == {"user": None}
    assert (await browser.get("/maybe", Authorization="Bearer x")).json() == {"user": None}
    assert (await browser.get("/maybe", Authorization=bearer(login))).json() == {"user": "alice"}


async def test_without_cookies_configured_they_are_not_seen(
    kind: Kind, open_site: OpenSite, login: CreatedSession
) -> None:
    """A site for bearer tokens alone."""
    site = open_site(has_cookies=False)
    browser = site.browser()
    browser.hold(access=login.tokens.access_token)
    assert refused(await browser.get("/me"))[1] == "TOKEN_MISSING"


async def test_sites_share_no_session_between_requests(site: Site, login: CreatedSession) -> None:
    """One request's session is not the next one's."""
    browser = site.browser()
    await browser.get("/me", Authorization=bearer(login))
    assert (await browser.get("/me")).status_code == 401
