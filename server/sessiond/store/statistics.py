"""Typed calls of the scripts that read the store as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import add
from typing import Final

from sessiond.domain.session import EndReason, Session
from sessiond.domain.statistics import (
    AGE_EDGES_MS,
    EXPIRY_EDGES_MS,
    Backlog,
    SessionsPerUser,
    Stats,
    Survey,
    Totals,
    UserSessions,
)
from sessiond.store.fields import decode_session
from sessiond.store.script_set import ScriptSet
from sessiond.store.walk import UserPage

_MOST_IN_A_STEP: Final = 1_000
"""How many sessions a step of a survey looks at, and one user's more: a few milliseconds."""
_FIRST: Final = (2**53, "")
"""Scores are below this."""


@dataclass(frozen=True, slots=True)
class RecentPlace:
    """Where a page of the newest sessions ended; the score is a time in microseconds."""

    score: int
    session_id: str


@dataclass(frozen=True, slots=True)
class RecentPage:
    """One page of the newest sessions."""

    sessions: tuple[Session, ...]
    next: RecentPlace | None


@dataclass(frozen=True, slots=True)
class Surveyed:
    """Live sessions by age and by time to expiry, as of `now_ms`."""

    now_ms: int = 0
    ages: tuple[int, ...] = (0,) * (len(AGE_EDGES_MS) + 1)
    times_to_expiry: tuple[int, ...] = (0,) * (len(EXPIRY_EDGES_MS) + 1)

    def __add__(self, more: Surveyed) -> Surveyed:
        return Surveyed(
            max(self.now_ms, more.now_ms),
            tuple(map(add, self.ages, more.ages)),
            tuple(map(add, self.times_to_expiry, more.times_to_expiry)),
        )


class StatisticsStore:
    """What can be read of all sessions. Every method may raise StoreUnavailableError."""

    def __init__(self, scripts: ScriptSet) -> None:
        self._scripts = scripts

    async def stats(self, cap: int, survey: Survey | None) -> Stats:
        """The counters of all partitions; `cap` is what a user counts as full from."""
        replies = await self._scripts.run_everywhere("stats")
        counts: Counter[str] = Counter()
        for *_, flat in replies:
            for name, value in zip(flat[::2], flat[1::2], strict=True):
                counts[name.decode()] += int(value)
        now, users, due, lag, events = zip(*(reply[:5] for reply in replies), strict=True)
        return Stats(
            read_ms=max(now),
            users=sum(users),
            live=counts["live"],
            ended=counts["ended"],
            totals=_totals(counts),
            per_user=SessionsPerUser.of(_numbered(counts, "w:"), cap),
            backlog=Backlog(sum(due), max(lag)),
            events=sum(events),
            survey=survey,
        )

    async def recent(self, size: int, after: RecentPlace | None = None) -> RecentPage:
        """The newest sessions of all partitions, newest first, down to where some are missing."""
        score, session_id = (after.score, after.session_id) if after else _FIRST
        replies = await self._scripts.run_everywhere("recent", (size + 1, score, session_id))
        complete_from = max(int(reply[0]) for reply in replies)
        newest = sorted(
            (place for _, flat in replies for place in _places(flat)),
            key=lambda place: (place.score, place.session_id),
            reverse=True,
        )
        found = [place for place in newest[: size + 1] if place.score >= complete_from]
        sessions = await self._sessions([place.session_id for place in found[:size]])
        return RecentPage(sessions, found[size - 1] if len(found) > size else None)

    async def rank(
        self, page: UserPage, after: UserSessions | None, last: UserSessions | None
    ) -> list[UserSessions]:
        """Those of the users who rank behind `after` and before `last`, in no order."""
        bounds = [
            word
            for user in (after, last)
            for word in ((user.live, user.user_id) if user else ("", ""))
        ]
        flat = await self._scripts.run(
            "rank",
            self._scripts.keys.bases[page.partition],
            (*bounds, *page.users),
            idempotent=True,
        )
        return [
            UserSessions(user.decode(), live, ended, int(float(newest or 0)))
            for user, live, ended, newest in zip(*(flat[i::4] for i in range(4)), strict=True)
        ]

    async def survey(self, page: UserPage) -> Surveyed:
        """Look at every live session of the users."""
        found, left = Surveyed(), page.users
        while left or not found.now_ms:
            now, done, ages, times = await self._scripts.run(
                "survey",
                self._scripts.keys.bases[page.partition],
                (_MOST_IN_A_STEP, _words(AGE_EDGES_MS), _words(EXPIRY_EDGES_MS), *left),
                idempotent=True,
            )
            found += Surveyed(now, tuple(ages), tuple(times))
            left = left[done:]
        return found

    async def _sessions(self, ids: Sequence[str]) -> tuple[Session, ...]:
        calls = [(self._scripts.keys.of_session(i), (i,)) for i in ids]
        replies = await self._scripts.run_many("get", calls)
        return tuple(
            decode_session(session_id, reply[2], reply[1])
            for session_id, reply in zip(ids, replies, strict=True)
            if reply[0] != b"NOT_FOUND"
        )


def _places(flat: list[bytes]) -> list[RecentPlace]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return [RecentPlace(int(score), session_id.decode()) for session_id, score in pairs]


def _words(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def _numbered(counts: Mapping[str, int], family: str) -> dict[int, int]:
    """The counters of a family, such as `w:3`, by number."""
    return {int(n.removeprefix(family)): c for n, c in counts.items() if n.startswith(family)}


def _totals(counts: Mapping[str, int]) -> Totals:
    return Totals(
        created=counts["created"],
        imported=counts["imported"],
        adopted=counts["adopted"],
        refreshed=counts["refreshed"],
        replayed=counts["replayed"],
        recovered=counts["recovered"],
        extended=counts["extended"],
        ended={EndReason(n): c for n, c in sorted(_numbered(counts, "e:").items())},
        events_cut=counts["log_cut"],
    )
