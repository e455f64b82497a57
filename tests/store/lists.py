"""The use cases that look at all sessions, and their lists put together from all their pages."""

from __future__ import annotations

import dataclasses

from sessiond.domain.session import Session
from sessiond.domain.statistics import DurationBar, Survey, UserSessions
from sessiond.service.statistics import Statistician
from sessiond.store.script_set import ScriptSet
from sessiond.store.statistics import StatisticsStore
from sessiond.store.walk import UserWalk
from tests.store.kit import ALICE, WEB

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
    page = await statistician.recent(size, "")
    found = list(page.sessions)
    while page.next_page_token:
        assert len(page.sessions) == size
        page = await statistician.recent(size, page.next_page_token)
        found += page.sessions
    return found


async def all_users(statistician: Statistician, size: int) -> list[UserSessions]:
    """Every page of the list of users, put together; times to the millisecond."""
    page = await statistician.users(size, "")
    found = list(page.users)
    while page.next_page_token:
        assert len(page.users) == size
        page = await statistician.users(size, page.next_page_token)
        found += page.users
    return [to_the_millisecond(user) for user in found]


def to_the_millisecond(user: UserSessions) -> UserSessions:
    """With no more than a hash says of the time of a refresh."""
    return dataclasses.replace(user, newest_us=user.newest_us // 1000)
