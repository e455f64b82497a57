"""The clock that verifiers go by."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)

if _CLOCK is None:
    steady_s = time.monotonic
else:
    _clock: int = _CLOCK

    def steady_s() -> float:
        """Seconds that no change of the time of day moves; a machine's sleep is counted (Linux)."""
        return time.clock_gettime(_clock)
