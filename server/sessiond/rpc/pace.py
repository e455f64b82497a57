"""When long work tells how far it has come: often enough to be watched, and no more often."""

from __future__ import annotations

import time
from math import inf
from typing import Final

_EVERY_S: Final = 0.4


class Pace:
    """Of one call."""

    def __init__(self) -> None:
        self._told_s = -inf

    def due(self) -> bool:
        """Whether to tell now: at first, and then about twice a second."""
        now_s = time.monotonic()
        if now_s - self._told_s < _EVERY_S:
            return False
        self._told_s = now_s
        return True
