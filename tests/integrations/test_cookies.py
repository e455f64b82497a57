"""Cookies on every web framework: set, kept fresh, cleared, or left alone."""

from __future__ import annotations

from datetime import timedelta
from http.cookies import SimpleCookie

import grpc
import httpx
import pytest

from sessionstore import (
    CreatedSession,
    DeadlineExceeded,
    EndReason,
    RefreshTokenInvalid,
    RefreshTokenReused,
    SessionClient,
    SessionEnded,
    SessionExpired,
    SessionNotFound,
    SessionStoreError,
    State,
    TokenInvalid,
)
from tests.integrations.conftest import OpenSite
from tests.integrations.sites import Browser, Kind, Site
from tests.integrations.standins import OUT_OF_REACH, failing_client, failing_verifier

ALWAYS = timedelta(hours=2)
"""Longer than an access token lives: each one is near its end."""


def hold(browser: Browser, login: CreatedSession) -> dict[str, str]:
    """Give the browser the cookies of a login."""
    browser.hold(access=login.tokens.access_token, refresh=login.tokens.refresh_token)
    return browser.cookies


def failed(kind: type[SessionStoreError]) -> SessionStoreError:
    return kind(grpc.StatusCode.FAILED_PRECONDITION, "canary")


def set_cookies(answer: httpx.Response) -> dict[str, str]:
    """What an answer sets, by name: all attributes, in order of the alphabet."""
    found = {}
    for line in answer.headers.get_list("Set-Cookie"):
        (morsel,) = SimpleCookie(line).values()
        attributes = (part.strip().lower() for part in line.split(";")[1:])
        kept = sorted(part for part in attributes if not part.startswith(("max-age", "expires")))
        found[morsel.key] = "; ".join(kept)
    return found


async def test_a_login_sets_both_cookies_as_strict_as_they_can_be(
    site: Site, login: CreatedSession
) -> None:
    """For this host alone, over HTTPS, out of reach of scripts, until each token's end."""
    site.tokens = login.tokens
    browser = site.browser()
    answer = await browser.post("/login")
    strict = "httponly; path=/; samesite=lax; secure"
    names = ("__Host-session-access", "__Host-session-refresh")
    assert set_cookies(answer) == dict.fromkeys(names, strict)
    ages = [
        int(morsel["max-age"])
        for line in answer.headers.get_list("Set-Cookie")
        for morsel in SimpleCookie(line).values()
    ]
    assert ages == [pytest.approx(3600, abs=30), pytest.approx(7 * 86400, abs=30)]
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await browser.get("/me")).json() == {"user": "alice"}


async def test_a_logout_takes_both_cookies_back(site: Site, login: CreatedSession) -> None:
    """Whatever was due for them."""
    browser = site.browser()
    hold(browser, login)
    await browser.post("/login")
    assert browser.cookies == {}


async def test_a_good_access_token_is_left_as_it_is(site: Site, login: CreatedSession) -> None:
    """No cookie is set, and caches may keep what the view lets them keep."""
    browser = site.browser()
    hold(browser, login)
    answer = await browser.get("/cached")
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "public"


@pytest.mark.parametrize("access", ["", "x"])
async def test_without_a_good_access_token_it_is_refreshed_first(
    site: Site, login: CreatedSession, access: str
) -> None:
    """The browser drops the cookie at the token's end; the view sees the session all the same."""
    browser = site.browser()
    browser.hold(access=access, refresh=login.tokens.refresh_token)
    answer = await browser.get("/me")
    assert answer.json() == {"user": "alice"}
    assert len(set_cookies(answer)) == 2
    assert "Set-Cookie" not in (await browser.get("/me")).headers


async def test_near_its_end_it_is_refreshed_with_the_answer(
    open_site: OpenSite, login: CreatedSession
) -> None:
    """No cache may keep that answer, whatever the view says."""
    browser = open_site(refresh_within=ALWAYS).browser()
    before = hold(browser, login)
    answer = await browser.get("/cached")
    assert answer.headers["Cache-Control"] == "no-store"
    access = "__Host-session-access"
    assert set_cookies(answer).keys() == before.keys()
    assert browser.cookies[access] != before[access]
    assert (await browser.get("/me")).json() == {"user": "alice"}


async def test_the_session_sees_the_browser_that_refreshed_it(
    open_site: OpenSite, login: CreatedSession, sessions: SessionClient
) -> None:
    """Its user agent and address are updated."""
    browser = open_site(refresh_within=ALWAYS).browser()
    hold(browser, login)
    await browser.get("/me", User_Agent="Firefox")
    client = sessions.get(login.session.id).client
    assert client.user_agent == "Firefox"
    assert client.ip_address == "127.0.0.1"


async def test_a_view_that_fails_loses_no_fresh_token(site: Site, login: CreatedSession) -> None:
    """The error page carries it: the old one would be taken for stolen after the grace time."""
    browser = site.browser()
    browser.hold(refresh=login.tokens.refresh_token)
    answer = await browser.get("/crash")
    assert answer.status_code == 500
    assert len(set_cookies(answer)) == 2


OVER: dict[type[SessionStoreError], str] = {
    RefreshTokenReused: "REFRESH_TOKEN_REUSED",
    SessionEnded: "SESSION_ENDED",
    SessionExpired: "SESSION_EXPIRED",
}


@pytest.mark.parametrize("error", OVER)
async def test_a_session_that_is_over_clears_the_cookies(
    kind: Kind, open_site: OpenSite, login: CreatedSession, error: type[SessionStoreError]
) -> None:
    """Without an access token nobody is let in."""
    browser = open_site(client=failing_client(kind, failed(error))).browser()
    browser.hold(refresh=login.tokens.refresh_token)
    answer = await browser.get("/me")
    assert (answer.status_code, answer.json()["reason"]) == (401, OVER[error])
    assert browser.cookies == {}


@pytest.mark.parametrize("error", OVER)
async def test_found_over_near_its_end_it_clears_the_cookies_with_the_answer(
    kind: Kind, open_site: OpenSite, login: CreatedSession, error: type[SessionStoreError]
) -> None:
    """The view had been reached with a token that was still good."""
    client = failing_client(kind, failed(error))
    browser = open_site(client=client, refresh_within=ALWAYS).browser()
    hold(browser, login)
    assert (await browser.get("/me")).json() == {"user": "alice"}
    assert browser.cookies == {}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RefreshTokenInvalid, (401, "TOKEN_INVALID")),
        (SessionNotFound, (401, "SESSION_NOT_FOUND")),
        (DeadlineExceeded, (503, "UNAVAILABLE")),
        (SessionStoreError, (503, "UNAVAILABLE")),
    ],
)
async def test_whatever_else_fails_leaves_the_cookies_alone(
    kind: Kind,
    open_site: OpenSite,
    login: CreatedSession,
    error: type[SessionStoreError],
    expected: tuple[int, str],
) -> None:
    """It may pass, or somebody forged a token."""
    browser = open_site(client=failing_client(kind, failed(error))).browser()
    browser.hold(refresh=login.tokens.refresh_token)
    before = browser.cookies
    answer = await browser.get("/me")
    assert (answer.status_code, answer.json()["reason"]) == expected
    assert browser.cookies == before


async def test_out_of_reach_a_token_that_is_still_good_is_let_in(
    kind: Kind, open_site: OpenSite, login: CreatedSession
) -> None:
    """Near its end, with nobody to refresh it."""
    client = failing_client(kind, OUT_OF_REACH)
    browser = open_site(client=client, refresh_within=ALWAYS).browser()
    before = hold(browser, login)
    for _ in range(2):
        answer = await browser.get("/me")
        assert answer.json() == {"user": "alice"}
        assert "Set-Cookie" not in answer.headers
    assert browser.cookies == before


async def test_an_ended_session_clears_the_cookies_of_an_open_page_too(
    site: Site, login: CreatedSession, sessions: SessionClient
) -> None:
    """Found by the verifier, without a call."""
    browser = site.browser()
    hold(browser, login)
    sessions.revoke(session_id=login.session.id, reason=EndReason.REVOKED)
    await browser.until(401, "/me")
    assert browser.cookies == {}
    hold(browser, login)
    assert (await browser.get("/maybe")).json() == {"user": None}
    assert browser.cookies == {}


async def test_a_session_that_a_login_replaced_leaves_the_cookies_to_that_login(
    site: Site, login: CreatedSession, sessions: SessionClient
) -> None:
    """A tab that answers late must not undo the login of another tab."""
    browser = site.browser()
    before = hold(browser, login)
    sessions.create("alice", replaces_session_id=login.session.id)
    answer = await browser.until(401, "/me")
    assert answer.json() == {"reason": "SESSION_ENDED", "end_reason": "REPLACED"}
    assert browser.cookies == before


async def test_a_forged_access_cookie_alone_clears_nothing(kind: Kind, open_site: OpenSite) -> None:
    """Nothing is known of its session."""
    told = failed(TokenInvalid)
    browser = open_site(verifier=failing_verifier(kind, told)).browser()
    browser.hold(access="x")
    assert (await browser.get("/me")).json() == {"reason": "TOKEN_INVALID"}
    assert len(browser.cookies) == 1


async def test_refreshing_makes_no_second_session(
    open_site: OpenSite, login: CreatedSession, sessions: SessionClient
) -> None:
    """However often."""
    user = login.session.user_id
    sessions.revoke_user(user, except_session_id=login.session.id)
    browser = open_site(refresh_within=ALWAYS).browser()
    hold(browser, login)
    for _ in range(5):
        assert (await browser.get("/me")).status_code == 200
    assert [each.id for each in sessions.list(user, states=[State.ACTIVE])] == [login.session.id]


async def test_on_localhost_http_will_do_for_development(
    open_site: OpenSite, login: CreatedSession
) -> None:
    """Without Secure and the prefix, which asks for it."""
    site = open_site(http_on_localhost=True)
    site.tokens = login.tokens
    browser = site.browser(host="localhost:8080", scheme="http")
    answer = await browser.post("/login")
    loose = "httponly; path=/; samesite=lax"
    assert set_cookies(answer) == {"session-access": loose, "session-refresh": loose}
    assert (await browser.get("/me")).json() == {"user": "alice"}


@pytest.mark.parametrize("host", ["app.example.com", "localhost.example.com", "127.0.0.1.nip.io"])
async def test_cookies_for_localhost_go_nowhere_else(
    open_site: OpenSite, login: CreatedSession, host: str
) -> None:
    """The mistake of a deployment fails at its first login."""
    site = open_site(http_on_localhost=True)
    site.tokens = login.tokens
    answer = await site.browser(host=host, scheme="http").post("/login")
    assert answer.status_code == 500
    assert "Set-Cookie" not in answer.headers
