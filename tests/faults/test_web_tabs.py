"""Browsers at the FastAPI example: many tabs, and replies that are lost on either side of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Final

import httpx
import pytest

from tests.engines import require_engine
from tests.examples import web_example
from tests.faults.aged import aged_logins
from tests.faults.backend import ACTIVE, Backend, Created, ids_of
from tests.faults.behind import Behind, look_behind
from tests.faults.conftest import GRACE_S
from tests.faults.proxy import Fault, GrpcWatch, Proxy
from tests.faults.sessiond import Sessiond, start_sessiond
from tests.faults.tally import Tally
from tests.faults.web import REFRESH, Browser

pytestmark = pytest.mark.soak

TABS: Final = 20
CLICKS: Final = 3
LOST: Final = (Fault.CUT, Fault.DROP)
SPREAD_S: Final = 1.25 * GRACE_S
WAITS_S: Final = 1.0
"""How long a browser waits whose answer is lost, before its user reloads the page."""


class HttpWatch:
    """Requests without a body, each over a connection of its own."""

    def starts_call(self, chunk: bytes) -> bool:
        return chunk.startswith(b"GET ")

    def starts_reply(self, chunk: bytes) -> bool:
        return bool(chunk)


@contextmanager
def example(server: Sessiond, address: str = "") -> Iterator[str]:
    with web_example("fastapi_app", address or server.address, server.token) as serves_on:
        yield serves_on


async def struck(logins: AsyncIterator[Created]) -> AsyncIterator[tuple[Fault, Created]]:
    """Each login, and how the reply to its refresh is lost: in turn."""
    number = 0
    async for login in logins:
        yield LOST[number % len(LOST)], login
        number += 1


@pytest.fixture(scope="module")
def applications(server: Sessiond) -> Iterator[list[str]]:
    """Two processes of the example, as behind a balancer."""
    with example(server) as one, example(server) as two:
        yield [one, two]


async def is_logged_in(tally: Tally, backend: Backend, browser: Browser) -> None:
    """With its current token, in its one session."""
    verdict = await backend.validate(refresh_token=browser.cookies.get(REFRESH, ""))
    tally.equal(verdict, "ACTIVE", "the refresh token of the browser")
    session = await backend.get(browser.session_id)
    live = await backend.sessions(session.user_id)
    tally.equal(ids_of(live), [browser.session_id], "sessions of the user")
    tally.equal([each.state for each in live], [ACTIVE], "state")


@pytest.mark.parametrize("processes", [1, 2])
async def test_twenty_tabs_at_once_keep_their_login(
    tally: Tally, backend: Backend, behind: Behind, applications: list[str], processes: int
) -> None:
    """The access token has run out, and every tab comes with the same old refresh token."""
    requests = 0
    async with aclosing(aged_logins(backend, behind, tally.rounds)) as logins:
        async for login in logins:
            async with Browser(login, applications[:processes]) as browser:
                before = browser.cookies[REFRESH]
                browser.run_out()
                for _ in range(CLICKS):
                    seen = await asyncio.gather(*(browser.me(tab) for tab in range(TABS)))
                    tally.equal(set(seen), {browser.session_id}, "sessions of the tabs")
                tally.check(browser.cookies[REFRESH] != before, "the token was not rotated")
                await is_logged_in(tally, backend, browser)
                requests += browser.requests
            tally.played()
    await behind.walk(tally)
    tally.conclude(requests)


@pytest.fixture(scope="module")
def hasty() -> Iterator[tuple[Sessiond, list[str]]]:
    """A server whose access tokens are near their end from the start, and two applications."""
    require_engine("valkey")
    with start_sessiond(grace_time=f"{GRACE_S}s", access_token_lifetime="4m") as server:
        asyncio.run(server.serving())
        with example(server) as one, example(server) as two:
            yield server, [one, two]


async def test_twenty_tabs_that_refresh_with_each_answer_keep_their_login(
    tally: Tally, hasty: tuple[Sessiond, list[str]]
) -> None:
    """At moments of their own, into a second grace time, each with the cookies as they are then."""
    server, applications = hasty
    chance = random.Random(tally.name)
    requests = 0

    async def tab(browser: Browser, number: int) -> set[str]:
        seen = set()
        for _ in range(CLICKS):
            # When a user clicks is no synchronisation: the moments are what the round is made of.
            await asyncio.sleep(chance.uniform(0, SPREAD_S / CLICKS))
            seen.add(await browser.me(number))
        return seen

    async with (
        Backend(server.address, server.token) as backend,
        look_behind(server.embedded_url, "ss") as behind,
        aclosing(aged_logins(backend, behind, tally.rounds)) as logins,
    ):
        async for login in logins:
            async with Browser(login, applications) as browser:
                before = browser.cookies[REFRESH]
                tabs = [tab(browser, number) for number in range(TABS)]
                seen = set().union(*await asyncio.gather(*tabs))
                tally.equal(seen, {browser.session_id}, "sessions of the tabs")
                tally.check(browser.cookies[REFRESH] != before, "the token was not rotated")
                await is_logged_in(tally, backend, browser)
                requests += browser.requests
            tally.played()
        await behind.walk(tally)
    tally.conclude(requests)


@pytest.fixture
async def far_line(server: Sessiond) -> AsyncIterator[tuple[Proxy, str]]:
    """A faulty line between the example and the service."""
    async with Proxy.before_tcp(server.address, GrpcWatch) as proxy:
        with example(server, proxy.address) as address:
            yield proxy, address


async def test_a_refresh_whose_reply_never_reached_the_application_keeps_the_login(
    tally: Tally, backend: Backend, behind: Behind, far_line: tuple[Proxy, str]
) -> None:
    """It asks again under the same request id; or the browser is told to, and keeps its cookies."""
    proxy, address = far_line
    requests = told = 0
    async with aclosing(aged_logins(backend, behind, tally.rounds)) as logins:
        async for fault, login in struck(logins):
            async with Browser(login, [address]) as browser:
                before = dict(browser.cookies)
                browser.run_out()
                kept = dict(browser.cookies)
                before_it = proxy.struck
                proxy.lose(fault, 1, before[REFRESH].encode())
                seen = await browser.me()
                tally.check(proxy.struck > before_it, "no reply was lost")
                session = await backend.get(browser.session_id)
                tally.check(
                    session.refresh_time.ToMicroseconds()
                    > login.session.refresh_time.ToMicroseconds(),
                    "the refresh was not made",
                )
                if seen != browser.session_id:
                    told += 1
                    tally.check(seen.startswith("503"), f"refused: {seen}")
                    tally.equal(browser.cookies, kept, "cookies")
                    proxy.cut()
                    tally.equal(await browser.me(), browser.session_id, "session on reload")
                tally.check(browser.cookies[REFRESH] != before[REFRESH], "the token is old")
                await is_logged_in(tally, backend, browser)
                requests += browser.requests
            tally.played()
    await behind.walk(tally)
    tally.conclude(requests, told_to_retry=told)


@pytest.fixture
async def near_line(server: Sessiond) -> AsyncIterator[tuple[Proxy, str]]:
    """A faulty line between browsers and the example."""
    with example(server) as address:
        async with Proxy.before_tcp(address, HttpWatch) as proxy:
            yield proxy, proxy.address


async def test_a_refresh_whose_answer_never_reached_the_browser_keeps_the_login(
    tally: Tally, backend: Backend, behind: Behind, near_line: tuple[Proxy, str]
) -> None:
    """Its user reloads the page within the grace time, with the old token."""
    proxy, address = near_line
    requests = 0
    async with aclosing(aged_logins(backend, behind, tally.rounds)) as logins:
        async for fault, login in struck(logins):
            async with Browser(login, [address], timeout_s=WAITS_S) as browser:
                before = browser.cookies[REFRESH]
                browser.run_out()
                proxy.lose(fault, 1)
                with pytest.raises(httpx.TransportError):
                    await browser.me()
                tally.equal(browser.cookies, {REFRESH: before}, "cookies")
                tally.equal(await browser.me(), browser.session_id, "session on reload")
                tally.check(browser.cookies[REFRESH] != before, "the token is old")
                await is_logged_in(tally, backend, browser)
                requests += browser.requests
            tally.played()
    await behind.walk(tally)
    tally.conclude(requests)
