"""How long work leaves the engine to its callers: one rule for every walk, audit and count."""

from __future__ import annotations

import asyncio
from typing import Final

_LONGEST_S: Final = 0.1


async def rest(took_s: float) -> None:
    """Rest after a step that took so many seconds: as long, so that half of the time is others'."""
    await asyncio.sleep(min(took_s, _LONGEST_S))
