"""What a local verifier is told and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

__all__ = ["VerifiedToken", "VerifierState", "WhenStale"]


class WhenStale(StrEnum):
    """What a verifier does with a good token while it cannot know of the last endings."""

    ASK = "ASK"
    """Ask the service, by ValidateSession; Unavailable if there is no answer."""
    REFUSE = "REFUSE"
    """Raise Unavailable."""
    ACCEPT = "ACCEPT"
    """Take it, unless its session is known to have ended. A revocation may be missed for as long as
    the service is out of reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """What a good access token says (RFC 9068, 2.2)."""

    session_id: str
    user_id: str
    client_id: str
    """The backend that was given the token for its user."""
    audience: tuple[str, ...]
    issue_time: datetime
    expire_time: datetime
    """Never after the session; verifiers allow for 30 s of clock difference beyond it."""
    claims: Mapping[str, Any] = field(hash=False, repr=False)
    """All of them, by their names in the token: `acr`, `amr` and `auth_time` too. Read-only."""

    def __reduce__(self) -> tuple[Any, ...]:
        """A read-only view is not copied as it is."""
        parts = {each.name: getattr(self, each.name) for each in fields(self)}
        return partial(VerifiedToken, **{**parts, "claims": dict(self.claims)}), ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierState:
    """How a verifier is doing."""

    age: timedelta | None
    """Every ending that is longer ago is known; None before the first checkpoint."""
    stale: bool
    """Whether `when_stale` decides: the age, or that of the keys, is past its bound."""
    connected: bool
    """Whether a stream of events is open."""
    ended_sessions: int
    """How many ended sessions are remembered, until their tokens are dead."""
    remembered_tokens: int
    """How many verified tokens are remembered, until they expire."""
    last_error: Exception | None
    """What last went wrong with the stream or the keys, also if it goes well again."""
