"""What a watch tells. Times are aware UTC datetimes by the engine's clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from sessionstore._enums import EndReason, EventType
from sessionstore.errors import CursorTooOld, InvalidRequest, LogRewound, SessionStoreError

__all__ = [
    "Checkpoint",
    "DeadSession",
    "Event",
    "EventType",
    "Events",
    "Interrupted",
    "Opened",
    "Snapshot",
    "WatchUpdate",
]

# The last of a server of another version, which cannot read what one of its kind once gave.
CURSOR_IS_USELESS = (CursorTooOld, LogRewound, InvalidRequest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One creation or ending. Events of one session come in order; one may come again."""

    id: str
    """Names the event: the same in every stream. Opaque."""
    time: datetime
    """To the millisecond."""
    type: EventType
    session_id: str
    user_id: str
    end_reason: EndReason | None
    """None of a creation."""
    dead_time: datetime | None
    """When the session's last access token is surely dead; None if it was not ENDED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadSession:
    """A session that ended before its access tokens expire."""

    session_id: str
    dead_time: datetime
    """When its last access token is surely dead, 30 s of leeway included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The first part of every stream."""

    store_time: datetime
    """Read after the request had arrived: see docs/decisions/0005-the-age-of-a-verifier.md."""
    cursor: str = field(default="", repr=False)
    """Always empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Some of the ended sessions of which an access token may still look alive."""

    sessions: tuple[DeadSession, ...]
    """At most 1,000."""
    complete: bool
    """Whether this is the last part."""
    cursor: str = field(repr=False)
    """Where to resume; empty until the last part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Some events, at most 500."""

    events: tuple[Event, ...]
    cursor: str = field(repr=False)
    """Where to resume once these have been worked off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """All that happened up to a time has been told, or is left out by the filters."""

    time: datetime
    lag: timedelta
    """How far the stream is behind, by the server's own clock."""
    cursor: str = field(repr=False)
    """Where to resume."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A stream has ended, and another one follows."""

    error: SessionStoreError | None
    """Why; None if the server was done with it, as at its stop."""
    retry_delay: timedelta
    """How long it takes before it is tried again."""
    cursor: str = field(repr=False)
    """Where it goes on; empty if with a snapshot."""

    @property
    def has_gap(self) -> bool:
        """Whether events are missing from here to the snapshot that follows.

        So it is with CursorTooOld, LogRewound, and InvalidRequest: a cursor that cannot be read.
        """
        return isinstance(self.error, CURSOR_IS_USELESS)


WatchUpdate: TypeAlias = Opened | Snapshot | Events | Checkpoint
"""One part of a stream: Opened, then snapshots unless it was resumed, then events and
checkpoints."""
