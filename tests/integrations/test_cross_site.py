"""Requests by cookie that another site's page sent (CSRF)."""

from __future__ import annotations

import pytest

from sessionstore import CreatedSession
from tests.integrations.conftest import OpenSite
from tests.integrations.sites import HOST, Browser, Site

OURS = f"https://{HOST}"


@pytest.fixture
def browser(site: Site, login: CreatedSession) -> Browser:
    """One that is logged in."""
    return holding(site, login)


def holding(site: Site, login: CreatedSession) -> Browser:
    browser = site.browser()
    browser.hold(access=login.tokens.access_token, refresh=login.tokens.refresh_token)
    return browser


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://{HOST}.evil.example"},
        {"Sec_Fetch_Site": "cross-site", "Origin": OURS},
    ],
)
async def test_a_page_of_another_origin_changes_nothing(
    browser: Browser, headers: dict[str, str]
) -> None:
    """403, and the cookies stay: the user has done nothing."""
    before = browser.cookies
    answer = await browser.post("/me", **headers)
    assert (answer.status_code, answer.json()) == (403, {"reason": "CROSS_SITE"})
    assert "WWW-Authenticate" not in answer.headers
    assert browser.cookies == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": OURS},
        {"Origin": OURS.upper()},
    ],
)
async def test_our_own_pages_and_what_is_no_browser_pass(
    browser: Browser, headers: dict[str, str]
) -> None:
    """By what browsers of today send, and those before them."""
    assert (await browser.post("/me", **headers)).status_code == 200


async def test_a_link_from_elsewhere_finds_the_user_logged_in(browser: Browser) -> None:
    """A safe method changes nothing."""
    assert (await browser.get("/me", Sec_Fetch_Site="cross-site")).status_code == 200


async def test_a_bearer_token_is_nothing_that_another_site_has(
    site: Site, login: CreatedSession
) -> None:
    """No browser adds it by itself."""
    answer = await site.browser().post(
        "/me", Authorization=f"Bearer {login.tokens.access_token}", Sec_Fetch_Site="cross-site"
    )
    assert answer.status_code == 200


async def test_trusted_origins_may(open_site: OpenSite, login: CreatedSession) -> None:
    """By their whole name."""
    trusted = "https://shop.example"
    browser = holding(open_site(trusted_origins=[trusted]), login)
    passed = await browser.post("/me", Origin=trusted, Sec_Fetch_Site="cross-site")
    assert passed.status_code == 200
    refused = await browser.post("/me", Origin=f"{trusted}:8443", Sec_Fetch_Site="cross-site")
    assert refused.status_code == 403


async def test_the_check_can_be_turned_off(open_site: OpenSite, login: CreatedSession) -> None:
    """For applications with tokens of their own against it."""
    browser = holding(open_site(check_origin=False), login)
    assert (await browser.post("/me", Sec_Fetch_Site="cross-site")).status_code == 200


async def test_a_login_asks_for_the_check_by_itself(site: Site, login: CreatedSession) -> None:
    """There is no cookie yet: without it another site could log its visitors in as somebody."""
    site.tokens = login.tokens
    browser = site.browser()
    answer = await browser.post("/login", Sec_Fetch_Site="cross-site")
    assert (answer.status_code, answer.json()) == (403, {"reason": "CROSS_SITE"})
    assert browser.cookies == {}
    assert (await browser.post("/login", Sec_Fetch_Site="same-origin")).status_code == 200
