"""The statuses by which scripts refuse, as the errors that callers know."""

from __future__ import annotations

from sessiond.domain.errors import (
    RefreshTokenAheadError,
    RefreshTokenReusedError,
    SessionEndedError,
    SessionExpiredError,
    SessionNotFoundError,
    SessionStoreError,
)
from sessiond.domain.session import Session
from sessiond.domain.times import rfc3339


def not_found(session_id: str) -> SessionNotFoundError:
    """No hash under this id."""
    return SessionNotFoundError("there is no such session", session_id=session_id)


def refused(status: str, session: Session) -> SessionStoreError:
    """The error for a session that is there and cannot be used."""
    if status == "REUSED":
        return RefreshTokenReusedError(
            "the refresh token was superseded; its session has been ended",
            session_id=session.id,
            user_id=session.user_id,
        )
    if status == "AHEAD":
        return RefreshTokenAheadError(
            "the refresh token is ahead of the store by more than a failover loses",
            session_id=session.id,
        )
    metadata = {
        "session_id": session.id,
        "end_reason": session.end_reason.name,
        "end_time": rfc3339(session.end_ms),
    }
    if status == "ENDED":
        return SessionEndedError("the session has ended", **metadata)
    if status == "EXPIRED":
        return SessionExpiredError("the session has expired", **metadata)
    raise AssertionError(f"a script answered {status!r}")
