"""The enums of the contract as strings that read well in logs and JSON."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Self

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


class OpenEnum(StrEnum):
    """An enum that a newer server may know more members of than this SDK does.

    A name that is not listed becomes a member for the occasion: equal to its text, never listed.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member


class State(OpenEnum):
    """Whether a session is live."""

    ACTIVE = "ACTIVE"
    """No end reason, and the engine's clock is before `expire_time`."""
    ENDED = "ENDED"
    """Ended by somebody or by a rule; `end_reason` says which."""
    EXPIRED = "EXPIRED"
    """Ran into its idle or absolute expiry. Remembered for one hour after it."""


class EndReason(OpenEnum):
    """Why a session is no longer live."""

    LOGOUT = "LOGOUT"
    """The user logged out."""
    REVOKED = "REVOKED"
    """A caller revoked it."""
    REVOKED_BY_ADMIN = "REVOKED_BY_ADMIN"
    """An operator revoked it."""
    REVOKED_OTHERS = "REVOKED_OTHERS"
    """Revoked with the user's other sessions, from the one that stayed."""
    EVICTED_BY_CAP = "EVICTED_BY_CAP"
    """The user was at the cap and this was the oldest (or idlest) session."""
    REPLACED = "REPLACED"
    """The same device logged in again, or a login named this session to be replaced."""
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105  the name of a reason
    """A superseded refresh token came back after the grace time (RFC 9700, 4.14.2)."""
    USER_DELETED = "USER_DELETED"
    """The user was deleted."""
    IDLE = "IDLE"
    """Expired: not refreshed for the idle lifetime."""
    ABSOLUTE = "ABSOLUTE"
    """Expired: reached the absolute lifetime."""
    EXPIRED = "EXPIRED"
    """Expired, and noticed so late that it is no longer known which of the two."""


class Outcome(OpenEnum):
    """What a refresh did to the refresh token."""

    ROTATED = "ROTATED"
    """It was replaced by the next generation."""
    CURRENT = "CURRENT"
    """It was replaced only just now, by another request: it stays."""
    REPLAYED = "REPLAYED"
    """The previous one came again: the current one is given again, and nothing moved."""
    RECOVERED = "RECOVERED"
    """The store had lost its generation in a failover; it was adopted and rotated."""


class Verdict(OpenEnum):
    """The answer to "is this session live?"."""

    ACTIVE = "ACTIVE"
    """The session is live, and the credential good."""
    EXPIRED = "EXPIRED"
    """The session expired."""
    ENDED = "ENDED"
    """The session was ended."""
    NOT_FOUND = "NOT_FOUND"
    """There is no such session, or it is no longer remembered."""
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105  the name of a verdict
    """The token is forged, damaged, superseded, or not meant for the audience."""
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105  the name of a verdict
    """The access token expired; its session may still be live."""


class EventType(OpenEnum):
    """What happened to a session."""

    CREATED = "CREATED"
    """A login, or an import."""
    ENDED = "ENDED"
    """Ended by somebody or by a rule: its access tokens are dead before they expire."""
    EXPIRED = "EXPIRED"
    """Ran into its idle or absolute expiry, and its access tokens with it."""
