"""What is told of sessions as it happens. Times are milliseconds of the engine's clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from sessiond.domain.session import EndReason


class EventType(IntEnum):
    """What happened to a session. Refreshes are not told."""

    CREATED = 1
    ENDED = 2
    EXPIRED = 3


_OF_A_CREATION: Final = {EndReason.NONE: EventType.CREATED}
_OF_AN_EXPIRY: Final = dict.fromkeys(
    (EndReason.IDLE, EndReason.ABSOLUTE, EndReason.EXPIRED), EventType.EXPIRED
)
TYPES: Final = dict.fromkeys(EndReason, EventType.ENDED) | _OF_A_CREATION | _OF_AN_EXPIRY
"""The type of an event, by its end reason."""


@dataclass(frozen=True, slots=True)
class Event:
    """A creation or an ending."""

    id: str
    """The same whoever reads it."""
    time_ms: int
    type: EventType
    session_id: str
    user_id: str
    reason: EndReason
    """NONE of a creation."""
    dead_ms: int
    """When the last access token is surely dead; 0 if that is not known, or of a creation."""


class DeadSession(NamedTuple):
    """A session that ended before its access tokens expire."""

    session_id: str
    dead_ms: int
    """When the last of them is surely dead, leeway of verifiers included."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events somebody wants to know of."""

    types: frozenset[EventType] = frozenset(EventType)
    user_id: str = ""
    """Whose; everybody's if empty."""

    def admits(self, event: Event) -> bool:
        """Whether the event is one of them."""
        return event.type in self.types and self.user_id in ("", event.user_id)


EVERYTHING: Final = EventFilter()
