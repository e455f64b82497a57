"""Counts what the store holds, from time to time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from sessiond.domain.statistics import Stats, Totals

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
        self._totals: Totals | None = None
        self._log = structlog.get_logger("sessiond.ops")

    def latest(self) -> Stats | None:
        """What was counted last, totals that never go back; None while the store is away."""
        return self._latest if self._ready.is_set() else None

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            await self._ready.wait()
            try:
                self._latest = self._going_on(await self._count())
            except Exception as error:  # noqa: BLE001  callers are served without a count too
                self._latest = None
                self._log.debug("census_failed", error=type(error).__name__)
            await asyncio.sleep(_INTERVAL_S)

    def _going_on(self, stats: Stats) -> Stats:
        """Counters that go back are taken for ones that began at zero again: a leap, in a rate."""
        self._totals = stats.totals.at_least(self._totals) if self._totals else stats.totals
        return dataclasses.replace(stats, totals=self._totals)
