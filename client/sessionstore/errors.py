# ruff: noqa: N818  a caller catches what happened: `except SessionEnded`, as in `except KeyError`
"""What a failed call raises: one class for each thing that a caller may want to tell apart.

`except SessionStoreError` catches them all, `except SessionUnusable` all that mean "log in again",
`except CredentialRefused` these and what a verifier says of access tokens. The reasons are those of
proto/sessionstore/v1/error_reason.proto, and two verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import grpc

from sessionstore import _status
from sessionstore._enums import EndReason


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field of a request: its path and what is wrong with it."""

    field: str
    description: str


class SessionStoreError(Exception):
    """A call failed.

    Args:
        code: the gRPC status code.
        message: what happened, in words for a log. It may change; decide by class or reason.
        details: a serialized google.rpc.Status (AIP-193); empty if nobody sent one.
        request_id: see the attribute.
    """

    code: grpc.StatusCode
    message: str
    request_id: str
    """What the server's log calls this call. For `create`, `refresh` and `revoke_user` it is the id
    of the request: give it again to retry a call that may have taken effect."""

    def __init__(
        self, code: grpc.StatusCode, message: str, details: bytes = b"", request_id: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.request_id = request_id
        self._details = details

    @cached_property
    def _parsed(self) -> _status.Details:
        return _status.parse(self._details)

    @property
    def details(self) -> bytes:
        """The google.rpc.Status, serialized, as it came; empty if nobody sent one."""
        return self._details

    @property
    def reason(self) -> str:
        """Of the service's ErrorReason, or of a verifier; empty if a proxy or the SDK gave up."""
        return self._parsed.reason

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the reason is about, such as a session_id. Never a secret."""
        return self._parsed.metadata

    @cached_property
    def retry_after(self) -> timedelta | None:
        """How long to wait before another try, if the server said so (google.rpc.RetryInfo)."""
        return self._parsed.retry_after()

    @cached_property
    def field_violations(self) -> tuple[FieldViolation, ...]:
        """Each bad field (google.rpc.BadRequest)."""
        return tuple(FieldViolation(*violation) for violation in self._parsed.field_violations())

    def __str__(self) -> str:
        text = f"{self.reason or self.code.name}: {self.message}"
        fields = "; ".join(f"{bad.field}: {bad.description}" for bad in self.field_violations)
        return f"{text} ({fields})" if fields else text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code.name}, {str(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.code, self.message, self._details, self.request_id)


class InvalidRequest(SessionStoreError):
    """One or more fields are wrong; `field_violations` names each."""


class CallerNotAuthenticated(SessionStoreError):
    """The service token of this backend is missing, invalid or expired; never about a user."""


class CallerNotPermitted(SessionStoreError):
    """This backend lacks the role for the call; never about a user."""


class CredentialRefused(SessionStoreError):
    """What the user presented is not good, or no longer: surely so, whatever is out of reach."""

    @property
    def session_id(self) -> str:
        """The session in question; empty if not even that is known."""
        return self.metadata.get("session_id", "")

    @property
    def end_reason(self) -> EndReason | None:
        """Why it ended or expired, if it did."""
        name = self.metadata.get("end_reason")
        return EndReason(name) if name else None

    @property
    def end_time(self) -> datetime | None:
        """When it ended or expired, if it did."""
        time = self.metadata.get("end_time")
        return datetime.fromisoformat(time) if time else None


class TokenRefused(CredentialRefused):
    """The access token is not good; of its session it says nothing."""


class TokenInvalid(TokenRefused):
    """The access token is forged, damaged, or not meant for this audience."""


class TokenExpired(TokenRefused):
    """The access token has expired; its session may still be live: refresh it."""


class SessionUnusable(CredentialRefused):
    """The session, or the token that names it, is of no more use: the user has to log in again."""


class SessionNotFound(SessionUnusable):
    """There is no such session, or it is no longer remembered."""


class SessionEnded(SessionUnusable):
    """The session was ended, by somebody or by a rule."""


class SessionExpired(SessionUnusable):
    """The session reached its idle or absolute expiry. Said for an hour; SessionNotFound after."""


class RefreshTokenInvalid(SessionUnusable):
    """The refresh token is forged, damaged or not a refresh token."""


class RefreshTokenReused(SessionUnusable):
    """A superseded refresh token came back: its session has been ended (RFC 9700, 4.14.2).

    Somebody else may hold the user's tokens. `metadata["user_id"]` names the user.
    """


class RefreshTokenAhead(SessionUnusable):
    """The refresh token is newer than the store by more than a failover loses."""


class SessionLimitReached(SessionStoreError):
    """The user has as many live sessions as the profile allows, and its policy is to reject."""


class SessionUserMismatch(SessionStoreError):
    """A session id in the request belongs to another user. Nothing was changed."""


class RequestIdReused(SessionStoreError):
    """The request id was used before, for another request (AIP-155). Nothing was changed."""


class ReplaySuperseded(SessionStoreError):
    """The request was done before, and its session has moved on: no tokens are given again."""


class EtagMismatch(SessionStoreError):
    """Another update came between: read the session and try again (AIP-154)."""


class Unavailable(SessionStoreError):
    """The service or its store is out of reach, also for retries. It may have taken effect."""


class ResourceExhausted(SessionStoreError):
    """Something is full: StoreFull, Overloaded, a proxy's limit, or the size of a message."""


class StoreFull(ResourceExhausted):
    """The store's memory is full: no session can be created. Revoking still works."""


class Overloaded(ResourceExhausted):
    """The server has as many calls in flight as it takes. Nothing was done."""


class CallerLimitReached(Overloaded):
    """The server takes no more of this backend at a time. Nothing was done.

    `metadata["limit"]` is "max_in_flight", "calls_per_second" or "max_watchers".
    """


class WatcherTooSlow(ResourceExhausted):
    """More events wait for this watcher than the server keeps: resume at the last cursor."""


class DeadlineExceeded(SessionStoreError):
    """The call's time ran out, retries included. It may have taken effect."""


class InternalError(SessionStoreError):
    """A fault of the server; its log has it under `request_id`."""


class SessionAlreadyAdopted(SessionUnusable):
    """The imported session was given its tokens before, by another request."""


class JobNotFound(SessionStoreError):
    """There is no job of this name; `metadata["jobs"]` names those that there are."""


class JobRunning(SessionStoreError):
    """The job is running already; `metadata["server"]` says where."""


class KeysReadOnly(SessionStoreError):
    """The server cannot write to its key directory: make the key where the directory is kept."""


class ImportKeyMissing(SessionStoreError):
    """The server's key ring has no import key: make it with `sessiond keys init`."""


class CursorTooOld(SessionStoreError):
    """The log of events no longer reaches back to the cursor: watch anew, without one."""


class LogRewound(SessionStoreError):
    """The store has lost events that were told already: watch anew, without a cursor."""
