"""Visits users whose sessions have expired, so that sets, counters and events keep up.

Every server does so; a visit is idempotent. Without it every answer but statistics, history and
events stays right.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from redis.exceptions import RedisError

from sessiond.domain import jitter
from sessiond.domain.errors import SessionStoreError
from sessiond.domain.ids import PARTITIONS
from sessiond.store.replies import Pruned
from sessiond.store.scripts import Store

_JITTER: Final = 0.2


class Reaper:
    """Goes through the partitions, over and over."""

    def __init__(self, store: Store, *, interval_s: float, batch: int) -> None:
        """Set the pace.

        Args:
            store: holds the sessions.
            interval_s: seconds for one round through all partitions, give or take a fifth.
            batch: how many users are visited at a time.
        """
        self._store = store
        self._interval_s = interval_s
        self._batch = batch
        self._log = structlog.get_logger("sessiond.reaper")

    async def run(self) -> None:
        """Reap until cancelled. A store out of reach is tried again at the next step."""
        partitions = list(range(PARTITIONS))
        while True:
            # Servers start together: each takes its own way, and its own time.
            jitter.shuffle(partitions)
            for partition in partitions:
                spread = jitter.between(1 - _JITTER, 1 + _JITTER)
                await asyncio.sleep(self._interval_s / PARTITIONS * spread)
                try:
                    await self.sweep(partition)
                except (SessionStoreError, RedisError) as error:
                    self._log.debug(
                        "reaper_skipped", partition=partition, error=type(error).__name__
                    )
                except Exception as error:  # noqa: BLE001  callers are served without a reaper too
                    self._log.error("reaper_fault", partition=partition, error=type(error).__name__)

    async def sweep(self, partition: int) -> int:
        """Visit all users of a partition that are due; how many sessions were found dead."""
        dead = 0
        while True:
            swept = await self._store.sweep(partition, self._batch)
            visits = await asyncio.gather(
                *(self._store.prune_user(user) for user in swept.due), return_exceptions=True
            )
            for visit in visits:
                if isinstance(visit, Pruned):
                    dead += visit.dead
                else:
                    self._log.warning("visit_failed", error=type(visit).__name__)
            failed = not all(isinstance(visit, Pruned) for visit in visits)
            if failed or max(swept.trimmed, len(swept.due)) < self._batch:
                return dead
