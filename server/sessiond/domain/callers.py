"""Who calls us. A caller is a backend service; it is never a user."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a caller may do; each role includes the ones below it."""

    READER = 1
    WRITER = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """What one server takes of one caller; None where there is no bound."""

    in_flight: int | None = None
    """Calls at a time."""
    calls_per_s: int | None = None
    """Calls begun in a second, in the long run; those of one second may come at once."""
    watchers: int | None = None
    """Streams of WatchSessions at a time; they do not count as calls in flight."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller: its name, its highest role, and how much it may call."""

    name: str
    role: Role
    limits: CallerLimits = CallerLimits()
