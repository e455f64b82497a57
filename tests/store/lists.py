"""The use cases that look at all sessions, and their lists put together from all their pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sessiond.domain.session import Session
from sessiond.domain.statistics import DurationBar, Survey, UserSessions
from sessiond.service.reading import SessionPage
from sessiond.service.statistics import Statistician, UsersPage
from sessiond.store.script_set import ScriptSet
from sessiond.store.statistics import StatisticsStore
from sessiond.store.walk import UserWalk
from tests.store.kit import ALICE, WEB

_Page = TypeVar("_Page", SessionPage, UsersPage)

SURVEY = Survey(1, (DurationBar(None, 2),), (DurationBar(5, 2),), (UserSessions(ALICE, 1, 2, 3),))


async def _last_survey() -> Survey:
    return SURVEY


async def unwatched(done: int, total: int) -> None:
    """Nobody asks how far it has come."""


def statistician_of(scripts: ScriptSet) -> Statistician:
    """With a small step, so that a walk has several in a partition."""
    walk = UserWalk(scripts, step=5)
    return Statistician(StatisticsStore(scripts), walk, cap=WEB.cap, last_survey=_last_survey)


async def all_recent(statistician: Statistician, size: int) -> list[Session]:
    """Every page of the recent list, put together."""
    pages = await _pages(statistician.recent, size)
    assert all(len(page.sessions) == size for page in pages[:-1])
    return [session for page in pages for session in page.sessions]


async def all_users(statistician: Statistician, size: int) -> list[UserSessions]:
    """Every page of the list of users, put together; times to the millisecond."""
    pages = await _pages(statistician.users, size)
    assert all(len(page.users) == size for page in pages[:-1])
    return [to_the_millisecond(user) for page in pages for user in page.users]


async def _pages(read: Callable[[int, str], Awaitable[_Page]], size: int) -> list[_Page]:
    pages = [await read(size, "")]
    while token := pages[-1].next_page_token:
        pages.append(await read(size, token))
    return pages


def to_the_millisecond(user: UserSessions) -> UserSessions:
    """With no more than a hash says of the time of a refresh."""
    return dataclasses.replace(user, newest_us=user.newest_us // 1000)
