"""Every way a call can be refused, as one exception each.

`Reason` is the wire name (ErrorInfo.reason, proto/sessionstore/v1/error_reason.proto). Which gRPC
status a reason becomes is decided in rpc/errors.py and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """The closed set of error reasons; each is one value of the ErrorReason enum."""

    INVALID_FIELD = "INVALID_FIELD"
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    CREDENTIALS_EXPIRED = "CREDENTIALS_EXPIRED"
    ROLE_REQUIRED = "ROLE_REQUIRED"
    REFRESH_TOKEN_INVALID = "REFRESH_TOKEN_INVALID"
    REFRESH_TOKEN_REUSED = "REFRESH_TOKEN_REUSED"
    REFRESH_TOKEN_AHEAD = "REFRESH_TOKEN_AHEAD"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    SESSION_ENDED = "SESSION_ENDED"
    SESSION_EXPIRED = "SESSION_EXPIRED"
    SESSION_LIMIT_REACHED = "SESSION_LIMIT_REACHED"
    SESSION_USER_MISMATCH = "SESSION_USER_MISMATCH"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    REPLAY_SUPERSEDED = "REPLAY_SUPERSEDED"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    STORE_FULL = "STORE_FULL"
    OVERLOADED = "OVERLOADED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"
    SESSION_ALREADY_ADOPTED = "SESSION_ALREADY_ADOPTED"
    JOB_NOT_FOUND = "JOB_NOT_FOUND"
    JOB_RUNNING = "JOB_RUNNING"
    KEYS_READ_ONLY = "KEYS_READ_ONLY"
    IMPORT_KEY_MISSING = "IMPORT_KEY_MISSING"
    CURSOR_TOO_OLD = "CURSOR_TOO_OLD"
    LOG_REWOUND = "LOG_REWOUND"
    WATCHER_TOO_SLOW = "WATCHER_TOO_SLOW"
    CALLER_LIMIT_REACHED = "CALLER_LIMIT_REACHED"


class SessionStoreError(Exception):
    """A refusal that a caller may read: its text and metadata never hold a secret."""

    reason: ClassVar[Reason] = Reason.INTERNAL
    retry_after_s: float | None = None
    """When another try may succeed, where that is known."""

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = metadata


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field of a request: its path in the message and what is wrong with it."""

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field} {self.description}"


class InvalidFieldError(SessionStoreError):
    """The request itself is wrong, whatever the state of the store."""

    reason = Reason.INVALID_FIELD

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        fields = ", ".join(v.field for v in violations)
        super().__init__(f"invalid: {fields}")
        self.violations = tuple(violations)


class CredentialsMissingError(SessionStoreError):
    """The call carries no bearer token, and its connection no certificate of a caller."""

    reason = Reason.CREDENTIALS_MISSING


class CredentialsInvalidError(SessionStoreError):
    """The caller's service token is forged, damaged or not ours, or its credentials are cut off."""

    reason = Reason.CREDENTIALS_INVALID


class CredentialsExpiredError(SessionStoreError):
    """The caller's service token or certificate was good and has expired."""

    reason = Reason.CREDENTIALS_EXPIRED


class RoleRequiredError(SessionStoreError):
    """The caller is known and lacks the role that the RPC needs."""

    reason = Reason.ROLE_REQUIRED


class RefreshTokenInvalidError(SessionStoreError):
    """The refresh token is forged, damaged or not a refresh token; the store was not asked."""

    reason = Reason.REFRESH_TOKEN_INVALID


class RefreshTokenReusedError(SessionStoreError):
    """A superseded refresh token came back after the grace time; its session is now ended."""

    reason = Reason.REFRESH_TOKEN_REUSED


class RefreshTokenAheadError(SessionStoreError):
    """The refresh token is too many generations ahead of the store to be a lost write."""

    reason = Reason.REFRESH_TOKEN_AHEAD


class SessionNotFoundError(SessionStoreError):
    """No such session, or it is no longer remembered."""

    reason = Reason.SESSION_NOT_FOUND


class SessionEndedError(SessionStoreError):
    """The session was ended; the metadata says by which reason and when."""

    reason = Reason.SESSION_ENDED


class SessionExpiredError(SessionStoreError):
    """The session ran into its idle or absolute expiry; the metadata says which and when."""

    reason = Reason.SESSION_EXPIRED


class SessionLimitReachedError(SessionStoreError):
    """The profile's policy is to reject and the user is at the cap; nothing was ended."""

    reason = Reason.SESSION_LIMIT_REACHED


class SessionUserMismatchError(SessionStoreError):
    """The session to be replaced belongs to another user; nothing was changed."""

    reason = Reason.SESSION_USER_MISMATCH


class RequestIdReusedError(SessionStoreError):
    """The request id was used before, for another request; nothing was changed."""

    reason = Reason.REQUEST_ID_REUSED


class ReplaySupersededError(SessionStoreError):
    """The request was done before and its session has since moved on, so no tokens are given."""

    reason = Reason.REPLAY_SUPERSEDED


class EtagMismatchError(SessionStoreError):
    """Another update came between; read the session again."""

    reason = Reason.ETAG_MISMATCH


class StoreUnavailableError(SessionStoreError):
    """Redis is out of reach or not ready; the call may or may not have taken effect."""

    reason = Reason.STORE_UNAVAILABLE


class StoreFullError(SessionStoreError):
    """Redis is at maxmemory; nothing was written."""

    reason = Reason.STORE_FULL


class OverloadedError(SessionStoreError):
    """This server has as many calls in flight as it takes; nothing was done."""

    reason = Reason.OVERLOADED


class DeadlineExceededError(SessionStoreError):
    """The call's time ran out; it may or may not have taken effect."""

    reason = Reason.DEADLINE_EXCEEDED


class InternalError(SessionStoreError):
    """A fault of ours. Its words are the same for every fault."""

    reason = Reason.INTERNAL


class SessionAlreadyAdoptedError(SessionStoreError):
    """The imported session was given its tokens before, by another request."""

    reason = Reason.SESSION_ALREADY_ADOPTED


class JobNotFoundError(SessionStoreError):
    """There is no job of this name."""

    reason = Reason.JOB_NOT_FOUND


class JobRunningError(SessionStoreError):
    """The job is running already, on this server or another."""

    reason = Reason.JOB_RUNNING


class KeysReadOnlyError(SessionStoreError):
    """This server cannot write to its key directory."""

    reason = Reason.KEYS_READ_ONLY


class ImportKeyMissingError(SessionStoreError):
    """The key ring has no key that finds sessions of other systems."""

    reason = Reason.IMPORT_KEY_MISSING


class CursorTooOldError(SessionStoreError):
    """The log of events no longer reaches back to the place."""

    reason = Reason.CURSOR_TOO_OLD


class LogRewoundError(SessionStoreError):
    """The store has lost events that were told already, as in a failover."""

    reason = Reason.LOG_REWOUND


class WatcherTooSlowError(SessionStoreError):
    """More events wait for a watcher than the server keeps; it may go on at its last cursor."""

    reason = Reason.WATCHER_TOO_SLOW


class CallerLimitReachedError(SessionStoreError):
    """The caller takes as much of this server as it may; nothing was done."""

    reason = Reason.CALLER_LIMIT_REACHED

    def __init__(self, message: str, retry_after_s: float, **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.retry_after_s = retry_after_s


class AccessTokenInvalidError(Exception):
    """An access token that this service did not sign, or not as an access token. A verdict."""


class AccessTokenExpiredError(Exception):
    """An access token past its `exp` and the leeway. A verdict, not a failed call."""


class DirectoryRefusedError(Exception):
    """The directory of users failed, or what it said cannot be believed; the message says how."""


class StartupError(Exception):
    """The service must not start like this; the message says what to do about it."""
