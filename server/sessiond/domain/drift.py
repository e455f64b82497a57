"""What an audit can find wrong with the store."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class DriftKind(IntEnum):
    """A kind of disagreement. The number is what the wire carries."""

    LIVE_ENTRY_MISSING = 1
    LIVE_ENTRY_DANGLING = 2
    LIVE_ENTRY_MISPLACED = 3
    HISTORY_ENTRY_MISSING = 4
    HISTORY_ENTRY_DANGLING = 5
    USER_ENTRY_MISSING = 6
    USER_ENTRY_LATE = 7
    TTL_MISSING = 8
    TTL_WRONG = 9
    TTL_UNEXPECTED = 10
    DEAD_ENTRY_MISSING = 11
    COUNTER_WRONG = 12
    SESSION_MALFORMED = 13
    KEY_UNKNOWN = 14

    @property
    def can_be_repaired(self) -> bool:
        """Whether an audit that repairs does so: nobody knows what the others should be."""
        return self not in (DriftKind.SESSION_MALFORMED, DriftKind.KEY_UNKNOWN)


@dataclass(frozen=True, slots=True)
class Drift:
    """How often one kind was found and repaired, and the first few by name."""

    kind: DriftKind
    found: int
    repaired: int
    samples: tuple[str, ...]
    """A session id, a user id, a key, or a counter with both numbers."""
