"""Waiting for what several nodes answer: for enough of them, and for the others a moment longer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


async def enough_of(asked: Iterable[asyncio.Future[Any]], enough: int, laggards_s: float) -> None:
    """Wait until so many have answered, then for each further one at most so many seconds.

    Without enough answers, until all have answered or failed.
    """
    left, answers, patience = set(asked), 0, None
    while left:
        done, left = await asyncio.wait(left, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return
        answers += sum(not each.cancelled() and each.exception() is None for each in done)
        if answers >= enough:
            patience = laggards_s
