"""The statuses by which scripts refuse, as the errors that callers know."""

from __future__ import annotations

from typing import Any

from sessiond.domain.errors import (
    RefreshTokenAheadError,
    RefreshTokenReusedError,
    ReplaySupersededError,
    RequestIdReusedError,
    SessionEndedError,
    SessionExpiredError,
    SessionNotFoundError,
    SessionStoreError,
    StoreUnavailableError,
)
from sessiond.domain.session import Session
from sessiond.domain.times import rfc3339
from sessiond.store.fields import decode_session


def not_found(session_id: str) -> SessionNotFoundError:
    """No hash under this id."""
    return SessionNotFoundError("there is no such session", session_id=session_id)


def request_id_reused() -> RequestIdReusedError:
    """The idempotency record is another request's."""
    return RequestIdReusedError("the request id was used before, for another request")


def replay_superseded(session_id: str) -> ReplaySupersededError:
    """The idempotency record names a session that was refreshed, ended or has expired."""
    return ReplaySupersededError(
        "the request was done before and its session has since moved on", session_id=session_id
    )


def unregistered() -> StoreUnavailableError:
    """The store was emptied, or is another one."""
    return StoreUnavailableError("the store is not the one that this server registered")


def usable(status: bytes, session_id: str, rest: list[Any], good: str) -> tuple[Session, int]:
    """The session of a reply {status, now, hash, ...} and `now`, if the status is one of `good`."""
    if status == b"NOT_FOUND":
        raise not_found(session_id)
    now, flat = rest[0], rest[1]
    session = decode_session(session_id, flat, now)
    name = status.decode()
    if name not in good.split():
        raise refused(name, session)
    return session, now


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
