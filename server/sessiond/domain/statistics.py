"""What operators are told of the store as a whole. Times are milliseconds of the engine's clock."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Self

from sessiond.domain.session import EndReason

_HOUR: Final = 3_600_000
_DAY: Final = 24 * _HOUR

AGE_EDGES_MS: Final = (_HOUR, _DAY, 7 * _DAY, 30 * _DAY, 90 * _DAY)
"""Where the bars of the histogram of ages end; the last bar has no end."""
EXPIRY_EDGES_MS: Final = (_HOUR, _DAY, 3 * _DAY, 7 * _DAY, 30 * _DAY)
"""The same of times to expiry."""
TOP_USERS: Final = 20
"""How many of those with the most live sessions a survey names."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What happened since the store began."""

    created: int
    imported: int
    adopted: int
    refreshed: int
    replayed: int
    recovered: int
    extended: int
    ended: Mapping[EndReason, int]
    events_cut: int

    def at_least(self, before: Self) -> Self:
        """These, or what was read before where that is more: a failover takes some back.

        A store that has not half of what it had was emptied, and counts anew.
        """
        if self.created < before.created / 2:
            return self
        most: dict[str, Any] = {
            field.name: max(getattr(self, field.name), getattr(before, field.name))
            for field in dataclasses.fields(self)
            if field.name != "ended"
        }
        reasons = self.ended.keys() | before.ended.keys()
        ended = {each: max(self.ended.get(each, 0), before.ended.get(each, 0)) for each in reasons}
        return dataclasses.replace(self, ended=ended, **most)


@dataclass(frozen=True, slots=True)
class SessionsPerUser:
    """The exact distribution of live sessions over the users that hold any."""

    users: int
    mean: float
    p50: int
    p99: int
    max: int
    users_at_cap: int
    bars: tuple[tuple[int, int], ...]
    """Number of live sessions, and how many users hold so many; fewest first."""

    @classmethod
    def of(cls, holders: Mapping[int, int], cap: int) -> Self:
        """The distribution, from how many users hold each number of sessions.

        Percentiles are by nearest rank: the smallest number that so many users do not exceed.
        """
        bars = tuple(sorted(holders.items()))
        users = sum(holders.values())
        return cls(
            users=users,
            mean=sum(sessions * count for sessions, count in bars) / users if users else 0.0,
            p50=_percentile(bars, users, 50),
            p99=_percentile(bars, users, 99),
            max=max(holders, default=0),
            users_at_cap=sum(count for sessions, count in bars if sessions >= cap),
            bars=bars,
        )


def _percentile(bars: Sequence[tuple[int, int]], users: int, percent: int) -> int:
    reached = 0
    for sessions, count in bars:
        reached += count
        if reached * 100 >= users * percent:
            return sessions
    return 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the reaper has still to do."""

    users_due: int
    lag_ms: int
    """How long the longest waiting of them has been due."""


@dataclass(frozen=True, slots=True)
class UserSessions:
    """How many sessions a user holds."""

    user_id: str
    live: int
    ended: int
    """Those still kept."""
    newest_us: int
    """When the newest live one was created, or in profiles that evict the idlest, last refreshed:
    microseconds; 0 without one."""

    @property
    def rank(self) -> tuple[int, str]:
        """What users are listed by: the most live sessions first, then by id."""
        return -self.live, self.user_id


@dataclass(frozen=True, slots=True)
class DurationBar:
    """One bar of a histogram over durations; None is without end."""

    upper_ms: int | None
    sessions: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look at every live session found."""

    time_ms: int
    """When the look ended."""
    ages: tuple[DurationBar, ...]
    """By time since creation, youngest first."""
    times_to_expiry: tuple[DurationBar, ...]
    """Soonest first."""
    top_users: tuple[UserSessions, ...]
    """Most live sessions first."""

    def to_json(self) -> str:
        """The survey as text that `from_json` reads."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The survey that `to_json` wrote.

        Raises:
            ValueError: it wrote no such text.
        """
        try:
            given = json.loads(text)
            return cls(
                time_ms=given["time_ms"],
                ages=tuple(DurationBar(**bar) for bar in given["ages"]),
                times_to_expiry=tuple(DurationBar(**bar) for bar in given["times_to_expiry"]),
                top_users=tuple(UserSessions(**user) for user in given["top_users"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError("not a survey") from error


def histogram(edges_ms: Sequence[int], counts: Sequence[int]) -> tuple[DurationBar, ...]:
    """The bars that end at these edges, and the last one, which does not end."""
    return tuple(DurationBar(*bar) for bar in zip_longest(edges_ms, counts))


@dataclass(frozen=True, slots=True)
class Stats:
    """What the store holds, by its counters: an expired session counts as live until a visit."""

    read_ms: int
    users: int
    """Users with a session that is live or ended and still kept."""
    live: int
    ended: int
    totals: Totals
    per_user: SessionsPerUser
    backlog: Backlog
    events: int
    survey: Survey | None
    """The last one; None before the first."""
