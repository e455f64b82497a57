"""The enums of the admin contract."""

from __future__ import annotations

from sessionstore._enums import OpenEnum


class DriftKind(OpenEnum):
    """What disagrees in the store."""

    LIVE_ENTRY_MISSING = "LIVE_ENTRY_MISSING"
    """A live session is not in its user's set."""
    LIVE_ENTRY_DANGLING = "LIVE_ENTRY_DANGLING"
    """A user's set holds a session that is gone or ended."""
    LIVE_ENTRY_MISPLACED = "LIVE_ENTRY_MISPLACED"
    """A user's set orders a session by a wrong time."""
    HISTORY_ENTRY_MISSING = "HISTORY_ENTRY_MISSING"
    """An ended session is not in its user's history."""
    HISTORY_ENTRY_DANGLING = "HISTORY_ENTRY_DANGLING"
    """A history holds a session that is gone or has not ended."""
    USER_ENTRY_MISSING = "USER_ENTRY_MISSING"
    """A user with sessions is not in the index of users."""
    USER_ENTRY_LATE = "USER_ENTRY_LATE"
    """A user's next visit is later than the truth."""
    TTL_MISSING = "TTL_MISSING"
    """A session or a request record has no TTL."""
    TTL_WRONG = "TTL_WRONG"
    """A session has another TTL than its state asks for."""
    TTL_UNEXPECTED = "TTL_UNEXPECTED"
    """An index or a counter has a TTL. Not repaired."""
    DEAD_ENTRY_MISSING = "DEAD_ENTRY_MISSING"
    """A session ended, and verifiers are not told."""
    COUNTER_WRONG = "COUNTER_WRONG"
    """A counter differs from what it counts."""
    SESSION_MALFORMED = "SESSION_MALFORMED"
    """A session lacks what every session has. Not repaired."""
    KEY_UNKNOWN = "KEY_UNKNOWN"
    """A key that is none of the service's. Not repaired."""


class JobOutcome(OpenEnum):
    """How a run of a job ended."""

    SUCCEEDED = "SUCCEEDED"
    """It did all there was to do."""
    FAILED = "FAILED"
    """It could not go on."""
    TIMED_OUT = "TIMED_OUT"
    """It took longer than it may."""
    REFUSED = "REFUSED"
    """It refused to act on what it was told."""


class ImportOutcome(OpenEnum):
    """What became of a session that was to be imported."""

    IMPORTED = "IMPORTED"
    """It is here now."""
    EXISTS = "EXISTS"
    """It was imported before, and is left as it is, live or not."""
    REVOKED = "REVOKED"
    """It was revoked over there."""
    EXPIRED = "EXPIRED"
    """It has expired."""
    SUPERSEDED = "SUPERSEDED"
    """Its user holds newer ones up to the cap, or a newer one of the same device."""
    INVALID = "INVALID"
    """A field is wrong."""
