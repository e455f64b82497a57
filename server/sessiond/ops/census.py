"""Counts what the store holds, from time to time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from sessiond.domain.statistics import Stats

_INTERVAL_S: Final = 15.0
"""As often as Prometheus usually scrapes."""


class Census:
    """The latest count of one server."""

    def __init__(self, count: Callable[[], Awaitable[Stats]], ready: asyncio.Event) -> None:
        """Set what is asked.

        Args:
            count: reads the counters of the store.
            ready: is set while the store can be used.
        """
        self._count = count
        self._ready = ready
        self._latest: Stats | None = None
        self._log = structlog.get_logger("sessiond.ops")

    def latest(self) -> Stats | None:
        """What was counted last; None while the store is away."""
        return self._latest if self._ready.is_set() else None

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            await self._ready.wait()
            try:
                self._latest = await self._count()
            except Exception as error:  # noqa: BLE001  callers are served without a count too
                self._latest = None
                self._log.debug("census_failed", error=type(error).__name__)
            await asyncio.sleep(_INTERVAL_S)
