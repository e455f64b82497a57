"""What the service has acknowledged, by this machine's steady clock (seconds)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf


@dataclass(slots=True, eq=False)
class Session:
    """A login, and its end."""

    id: str
    token: str
    begun_s: float
    """When the login was sent."""
    created_s: float
    """When it was acknowledged."""
    leaving_s: float = inf
    """When its end was first asked for."""
    left_s: float = inf
    """When its end was acknowledged."""


@dataclass(slots=True)
class Ledger:
    """The sessions of one round."""

    sessions: list[Session] = field(default_factory=list)

    @property
    def left(self) -> Iterator[Session]:
        """Those that have ended, and everybody was told so."""
        return (session for session in self.sessions if session.left_s < inf)

    @property
    def live(self) -> list[Session]:
        """Those that nobody has asked to end."""
        return [session for session in self.sessions if session.leaving_s == inf]


@dataclass(frozen=True, slots=True)
class Gap:
    """What a watcher was told that it has missed, or what happened before it came."""

    from_s: float
    until_s: float

    def may_hide(self, session: Session) -> bool:
        """Whether the session may have been created in it."""
        return session.begun_s < self.until_s and session.created_s > self.from_s


def hidden(session: Session, gaps: Iterable[Gap]) -> bool:
    """Whether its creation may have been missed."""
    return any(gap.may_hide(session) for gap in gaps)
