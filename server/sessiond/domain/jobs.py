"""Jobs: background work that is done once for the whole fleet, whichever server does it.

Times are milliseconds since the Unix epoch by the engine's clock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int], Awaitable[None]]
"""Is told how much of long work is done, and of how much in all: 0 if that is not known."""


class JobOutcome(IntEnum):
    """How a run ended, as JobRun.Outcome of the contract numbers it."""

    SUCCEEDED = 1
    FAILED = 2
    TIMED_OUT = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a run came to."""

    message: str
    """One sentence for people; never a secret."""
    payload: str = ""
    """What it found, for programs. Kept until a run leaves another one."""
    outcome: JobOutcome = JobOutcome.SUCCEEDED


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run that has ended."""

    begin_ms: int
    duration_ms: int
    outcome: JobOutcome
    message: str
    attempts: int
    """How often it was begun: more than once if a server was lost in the middle."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What the fleet knows of a job."""

    running: bool = False
    server: str = ""
    """Which server runs it, or ran it last."""
    done: int = 0
    total: int = 0
    begin_ms: int = 0
    """When the current or last run began; 0 if it never ran."""
    last_run: JobRun | None = None
    success_ms: int = 0
    """When a run last ended well; 0 if none has."""
    payload: str = ""
