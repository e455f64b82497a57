"""Why a request is in no session, and what a client is told of it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from sessionstore.errors import (
    CredentialRefused,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    RefreshTokenReused,
    SessionEnded,
    SessionExpired,
    SessionNotFound,
    SessionStoreError,
    TokenExpired,
    Unavailable,
)
from sessionstore.types import EndReason


class Reason(StrEnum):
    """Why there is no session; what a client decides by."""

    TOKEN_MISSING = "TOKEN_MISSING"  # noqa: S105  the name of a reason
    """Neither a bearer token nor a cookie came along."""
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105
    """The token is forged, damaged, or not meant for this service."""
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105
    """The access token has expired; its session may still be live: refresh it."""
    SESSION_ENDED = "SESSION_ENDED"
    """Somebody or a rule ended the session: log in again."""
    SESSION_EXPIRED = "SESSION_EXPIRED"
    """The session reached its expiry: log in again."""
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    """The service does not know the session, or no longer: log in again."""
    REFRESH_TOKEN_REUSED = "REFRESH_TOKEN_REUSED"  # noqa: S105
    """A superseded refresh token came back, and its session was ended: log in again."""
    CROSS_SITE = "CROSS_SITE"
    """Another site's page sent the request, and cookies alone do not make it the user's."""
    UNAVAILABLE = "UNAVAILABLE"
    """Nobody can tell now: the session service is out of reach. Try again."""


_FORBIDDEN: Final = 403
_UNAVAILABLE: Final = 503
_UNAUTHORIZED: Final = 401
_STATUS: Final = {Reason.CROSS_SITE: _FORBIDDEN, Reason.UNAVAILABLE: _UNAVAILABLE}

_DESCRIPTIONS: Final = {
    Reason.TOKEN_MISSING: "no credential was given",
    Reason.TOKEN_INVALID: "the token is not valid",
    Reason.TOKEN_EXPIRED: "the access token has expired",
    Reason.SESSION_ENDED: "the session has ended",
    Reason.SESSION_EXPIRED: "the session has expired",
    Reason.SESSION_NOT_FOUND: "there is no such session",
    Reason.REFRESH_TOKEN_REUSED: "the refresh token was used before",
    Reason.CROSS_SITE: "a page of another site sent the request",
    Reason.UNAVAILABLE: "sessions cannot be verified now",
}

_OVER: Final = {Reason.SESSION_ENDED, Reason.SESSION_EXPIRED, Reason.REFRESH_TOKEN_REUSED}

# The first class that fits. Whatever else fails is no statement about the user: it may pass.
_REASONS: Final[tuple[tuple[type[SessionStoreError], Reason], ...]] = (
    (SessionEnded, Reason.SESSION_ENDED),
    (SessionExpired, Reason.SESSION_EXPIRED),
    (SessionNotFound, Reason.SESSION_NOT_FOUND),
    (RefreshTokenReused, Reason.REFRESH_TOKEN_REUSED),
    (TokenExpired, Reason.TOKEN_EXPIRED),
    (CredentialRefused, Reason.TOKEN_INVALID),
    (InvalidRequest, Reason.TOKEN_INVALID),
)

_RETRY_AFTER: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer to a request that is in no session."""

    reason: Reason
    end_reason: EndReason | None = None
    """Why the session ended or expired, if that is known."""
    retry_after: timedelta = _RETRY_AFTER
    """Where the reason is UNAVAILABLE: when to try again."""

    @property
    def status(self) -> int:
        """The HTTP status: 401, 403 or 503."""
        return _STATUS.get(self.reason, _UNAUTHORIZED)

    @property
    def description(self) -> str:
        """The reason in words, for a log or a developer."""
        return _DESCRIPTIONS[self.reason]

    @property
    def clears_cookies(self) -> bool:
        """Whether the cookies that led here are of no more use, to anybody."""
        # A login that replaced the session has set cookies of its own, perhaps a moment ago in
        # another tab: to clear them now would undo it.
        return self.reason in _OVER and self.end_reason != EndReason.REPLACED

    def headers(self) -> list[tuple[str, str]]:
        """The headers of the answer, with the challenge of RFC 6750, 3."""
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if self.reason == Reason.TOKEN_MISSING:
            headers.append(("WWW-Authenticate", "Bearer"))
        elif self.status == _UNAUTHORIZED:
            challenge = f'Bearer error="invalid_token", error_description="{self.description}"'
            headers.append(("WWW-Authenticate", challenge))
        elif self.status == _UNAVAILABLE:
            headers.append(("Retry-After", str(math.ceil(self.retry_after.total_seconds()))))
        return headers

    def body(self) -> bytes:
        """The body of the answer: JSON with `reason`, and `end_reason` where it is known."""
        told = {"reason": self.reason.value}
        if self.end_reason:
            told["end_reason"] = self.end_reason.value
        return json.dumps(told).encode()


class Refused(Exception):  # noqa: N818  as the errors of the SDK: named by what happened
    """The request is in no session; the integrations turn it into the answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason.value)
        self.refusal = refusal


ANSWERED: Final = (Refused, Unavailable, DeadlineExceeded, Overloaded)
"""What the integrations answer for a view that raises it: its own calls of the service, too."""


def refusal_of(error: SessionStoreError | Refused) -> Refusal:
    """What a failed verification or refresh means to the client."""
    if isinstance(error, Refused):
        return error.refusal
    reason = next((each for kind, each in _REASONS if isinstance(error, kind)), None)
    if reason is None:
        return Refusal(Reason.UNAVAILABLE, retry_after=error.retry_after or _RETRY_AFTER)
    ended = error.end_reason if isinstance(error, CredentialRefused) else None
    return Refusal(reason, ended)
