"""What the store holds as a whole: from its counters, and from looking at everybody."""

from __future__ import annotations

import bisect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from sessiond.domain.ids import partition_of_session
from sessiond.domain.jobs import Progress
from sessiond.domain.statistics import (
    AGE_EDGES_MS,
    EXPIRY_EDGES_MS,
    TOP_USERS,
    Stats,
    Survey,
    UserSessions,
    histogram,
)
from sessiond.service import page_tokens
from sessiond.service.reading import SessionPage
from sessiond.store.statistics import RecentPlace, StatisticsStore, Surveyed
from sessiond.store.walk import UserPage, UserWalk

_RECENT: Final = page_tokens.scope("recent")
_USERS: Final = page_tokens.scope("users")


@dataclass(frozen=True, slots=True)
class UsersPage:
    """One page of users; the token is empty on the last."""

    users: tuple[UserSessions, ...]
    next_page_token: str


class _Ranking:
    """The first users by rank, of all that are offered."""

    def __init__(self, most: int, after: UserSessions | None = None) -> None:
        """Keep `most` users who rank behind `after`."""
        self._most = most
        self._after = after
        self.users: list[UserSessions] = []

    async def offer(self, store: StatisticsStore, page: UserPage) -> None:
        """Take in those of a page of the walk who belong here."""
        last = self.users[-1] if len(self.users) == self._most else None
        for user in await store.rank(page, self._after, last):
            bisect.insort(self.users, user, key=attrgetter("rank"))
        del self.users[self._most :]


class Statistician:
    """The use cases that look at all sessions."""

    def __init__(
        self,
        store: StatisticsStore,
        walk: UserWalk,
        *,
        cap: int,
        last_survey: Callable[[], Awaitable[Survey | None]],
    ) -> None:
        """Set what is looked at.

        Args:
            store: reads the counters.
            walk: goes past all users.
            cap: the default profile's.
            last_survey: gives what `survey` found when the stats job last ran.
        """
        self._store = store
        self._walk = walk
        self._cap = cap
        self._last_survey = last_survey

    async def stats(self) -> Stats:
        """What the counters say, and the last survey. It costs the same at any size."""
        return await self._store.stats(self._cap, await self._last_survey())

    async def recent(self, page_size: int, page_token: str) -> SessionPage:
        """One page of the sessions created last, in any state; it may be short of some just gone.

        Raises:
            InvalidFieldError: the page token is not of this list.
        """
        after = page_tokens.read(page_token, _RECENT, _recent_place)
        page = await self._store.recent(page_size, after)
        last = page.next
        token = page_tokens.write(_RECENT, last.score, last.session_id) if last else ""
        return SessionPage(page.sessions, token)

    async def users(self, page_size: int, page_token: str) -> UsersPage:
        """One page of users by number of live sessions; every page goes past all users.

        Raises:
            InvalidFieldError: the page token is not of this list.
        """
        ranking = _Ranking(page_size + 1, page_tokens.read(page_token, _USERS, _ranked))
        async for page in self._walk.pages(rests=False):
            await ranking.offer(self._store, page)
        users = tuple(ranking.users[:page_size])
        more = len(ranking.users) > page_size
        token = page_tokens.write(_USERS, users[-1].live, users[-1].user_id) if more else ""
        return UsersPage(users, token)

    async def survey(self, progress: Progress) -> Survey:
        """Look at every live session. Takes as long as a walk past all users."""
        total, done = await self._walk.total(), 0
        found, top = Surveyed(), _Ranking(TOP_USERS)
        async for page in self._walk.pages():
            found += await self._store.survey(page)
            await top.offer(self._store, page)
            done += len(page.users)
            await progress(done, max(done, total))
        return Survey(
            time_ms=found.now_ms,
            ages=histogram(AGE_EDGES_MS, found.ages),
            times_to_expiry=histogram(EXPIRY_EDGES_MS, found.times_to_expiry),
            top_users=tuple(top.users),
        )


def _recent_place(score: object, session_id: object) -> RecentPlace:
    place = RecentPlace(page_tokens.number(score), page_tokens.text(session_id))
    partition_of_session(place.session_id)
    return place


def _ranked(live: object, user_id: object) -> UserSessions:
    return UserSessions(page_tokens.text(user_id), page_tokens.number(live), 0, 0)
