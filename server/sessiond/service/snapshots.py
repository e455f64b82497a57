"""What watchers that begin anew have to know first, read once for all that come together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from sessiond.domain.limits import MOST_DEAD
from sessiond.service.watch_parts import SnapshotPart
from sessiond.store.log import LogStore
from sessiond.store.log_entries import Place

_KEPT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Beginning:
    """A partition as of a place in its log."""

    place: Place
    parts: Sequence[SnapshotPart]
    """Of a stream; those that share them share what they are serialized to."""


_Shared: TypeAlias = dict[tuple[int, bool], asyncio.Task[Beginning]]


class Snapshots:
    """Partitions as they are, or were up to a second ago: who begins there reads on in the log.

    So a crowd that begins at once, as when a store lost its last moments, costs one reading, and
    each part of it is serialized once.
    """

    def __init__(self, log: LogStore, reading: asyncio.Semaphore) -> None:
        self._log = log
        self._reading = reading
        self._epoch = 0
        self._shared: _Shared = {}
        self._running: set[asyncio.Task[Beginning]] = set()

    async def of(self, partition: int, *, dead: bool, epoch: int) -> Beginning:
        """Where the log of a partition ends, and the ended sessions as of then, if asked for.

        Args:
            partition: which.
            dead: whether the sessions are asked for.
            epoch: of the live feed; nothing is shared with another one.

        Raises:
            StoreUnavailableError: the store is out of reach.
        """
        if epoch != self._epoch:
            self._epoch = epoch
            self.forget()
        key = (partition, dead)
        task = self._shared.get(key)
        if task is None:
            task = self._shared[key] = asyncio.create_task(self._read(partition, dead=dead))
            self._running.add(task)
            task.add_done_callback(partial(self._done, self._shared, key))
        # Who leaves meanwhile leaves it to the others.
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Share nothing more that was read so far."""
        self._shared = {}

    async def close(self) -> None:
        """Wait until nothing is read any more. Nobody watches by then."""
        if self._running:
            await asyncio.wait(self._running)

    async def _read(self, partition: int, *, dead: bool) -> Beginning:
        async with self._reading:
            snapshot = await self._log.snapshot(partition, dead=dead)
        starts = range(0, len(snapshot.dead), MOST_DEAD)
        parts = [SnapshotPart(snapshot.dead[at : at + MOST_DEAD]) for at in starts]
        return Beginning(snapshot.place, parts)

    def _done(self, shared: _Shared, key: tuple[int, bool], task: asyncio.Task[Beginning]) -> None:
        self._running.discard(task)
        failed = task.cancelled() or task.exception()
        task.get_loop().call_later(0 if failed else _KEPT_S, shared.pop, key, None)
