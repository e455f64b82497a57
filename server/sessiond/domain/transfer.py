"""What becomes of sessions that come from another system."""

from __future__ import annotations

from enum import IntEnum


class Fate(IntEnum):
    """What became of one session. The number is what the wire carries."""

    IMPORTED = 1
    EXISTS = 2
    """It came in before, and stays as it is, in whatever state."""
    REVOKED = 3
    EXPIRED = 4
    SUPERSEDED = 5
    """The cap, or a newer session of its device, leaves no room for it."""
    INVALID = 6
