"""Browser tabs that refresh on their own, each with whatever token it last saw."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Literal

import pytest

from tests.faults.aged import aged_logins
from tests.faults.backend import (
    ACTIVE,
    Backend,
    Created,
    Outcome,
    Refreshed,
    Refused,
    attempt,
    ids_of,
)
from tests.faults.behind import Behind
from tests.faults.conftest import GRACE_S
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

TABS: Final = 20
BROWSERS_AT_ONCE: Final = 5
SECOND_S: Final = 1.0
LONG_S: Final = 1.5 * GRACE_S
"""Reaches into a second grace time: the token is rotated while the tabs are busy."""

Jars = Literal["one jar", "own jars"]


class Browser:
    """Tabs of one login; `jars[tab]` is where a tab's cookie is, and tabs may share one."""

    def __init__(self, tally: Tally, backend: Backend, login: Created, kind: Jars) -> None:
        self.login = login
        self.rotations: list[int] = []
        self.access = [login.tokens.access_token] * TABS
        self._tally = tally
        self._backend = backend
        self._jars = [0] * TABS if kind == "one jar" else list(range(TABS))
        self._cookies = [login.tokens.refresh_token] * TABS
        self._random = random.Random(login.session.session_id)

    @property
    def cookies(self) -> set[str]:
        """The tokens that its tabs hold."""
        return {self._cookies[jar] for jar in self._jars}

    async def browse(self, seconds: float, *, apart_s: float) -> None:
        """Let every tab refresh at moments of its own, so far apart on average, at least once."""
        await asyncio.gather(*(self._tab(tab, seconds, apart_s) for tab in range(TABS)))

    async def refresh_all(self) -> None:
        """Refresh once in every tab."""
        await asyncio.gather(*(self.refresh(tab) for tab in range(TABS)))

    async def refresh(self, tab: int) -> None:
        """Refresh with what the tab's jar holds, and keep what comes back."""
        jar = self._jars[tab]
        answer = await attempt(self._backend.refresh(self._cookies[jar]))
        if isinstance(answer, Refused):
            self._tally.check(False, f"tab {tab} was logged out: {answer}")
            return
        self._keep(tab, answer)

    def _keep(self, tab: int, answer: Refreshed) -> None:
        self._cookies[self._jars[tab]] = answer.tokens.refresh_token
        self.access[tab] = answer.tokens.access_token
        if answer.outcome == Outcome.OUTCOME_ROTATED:
            # When the engine minted the new token.
            self.rotations.append(answer.session.refresh_time.ToMilliseconds())

    async def _tab(self, tab: int, seconds: float, apart_s: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        # When a user clicks is no synchronisation: the moments are what the round is made of.
        await asyncio.sleep(self._random.uniform(0, min(apart_s, seconds)))
        await self.refresh(tab)
        while (pause := self._random.uniform(0, 2 * apart_s)) < end - loop.time():
            await asyncio.sleep(pause)
            await self.refresh(tab)


@pytest.mark.parametrize("jars", ["one jar", "own jars"])
async def test_twenty_tabs_over_a_second_stay_logged_in_with_one_rotation(
    tally: Tally, backend: Backend, behind: Behind, jars: Jars
) -> None:
    """They begin with a token past the grace time: the first rotates it, the others follow."""
    async with aclosing(_cohorts(tally, backend, behind)) as cohorts:
        async for logins in cohorts:
            browsers = [Browser(tally, backend, login, jars) for login in logins]
            await asyncio.gather(*(b.browse(SECOND_S, apart_s=SECOND_S / 2) for b in browsers))
            for browser in browsers:
                tally.equal(len(browser.rotations), 1, "rotations in a second")
                await _all_are_logged_in(tally, backend, browser)
            tally.played(len(browsers))
    await behind.walk(tally)
    tally.conclude(backend.calls)


async def test_twenty_tabs_over_two_grace_times_rotate_once_in_each(
    tally: Tally, backend: Backend, behind: Behind
) -> None:
    """However the tabs' refreshes fall, no two rotations are within one grace time."""
    async with aclosing(_cohorts(tally, backend, behind)) as cohorts:
        async for logins in cohorts:
            browsers = [
                Browser(tally, backend, login, "own jars" if number % 2 else "one jar")
                for number, login in enumerate(logins)
            ]
            await asyncio.gather(*(b.browse(LONG_S, apart_s=GRACE_S / 4) for b in browsers))
            # The second time the token is a fresh one, whatever the first did.
            await asyncio.gather(*(b.refresh_all() for b in browsers))
            await asyncio.gather(*(b.refresh_all() for b in browsers))
            for browser in browsers:
                times = sorted(browser.rotations)
                gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
                tally.check(min(gaps, default=0) > GRACE_S * 1000, f"rotations {gaps} ms apart")
                await _all_are_logged_in(tally, backend, browser)
            tally.played(len(browsers))
    await behind.walk(tally)
    tally.conclude(backend.calls)


async def _cohorts(
    tally: Tally, backend: Backend, behind: Behind
) -> AsyncGenerator[list[Created], None]:
    """The logins of all rounds, as many at a time as a small machine can drive browsers."""
    cohort: list[Created] = []
    async with aclosing(aged_logins(backend, behind, tally.rounds)) as logins:
        async for login in logins:
            cohort.append(login)
            if len(cohort) == BROWSERS_AT_ONCE:
                yield cohort
                cohort = []
    if cohort:
        yield cohort


async def _all_are_logged_in(tally: Tally, backend: Backend, browser: Browser) -> None:
    """One token, which is the current one; every tab's access token is of a live session."""
    tally.equal(len(browser.cookies), 1, "tokens in the end")
    session = browser.login.session
    verdicts = await asyncio.gather(
        *(backend.validate(refresh_token=cookie) for cookie in browser.cookies),
        *(backend.validate(access_token=token) for token in browser.access),
    )
    tally.equal(set(verdicts), {"ACTIVE"}, "verdicts")
    live = await backend.sessions(session.user_id)
    tally.equal(ids_of(live), [session.session_id], "sessions of the user")
    tally.equal([s.state for s in live], [ACTIVE], "state")
