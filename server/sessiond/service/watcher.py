"""One watcher: what waits to be sent to it, within bounds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sessiond.domain.errors import SessionStoreError, WatcherTooSlowError
from sessiond.domain.events import EventFilter
from sessiond.service import cursors
from sessiond.service.watch_parts import Batch, CheckpointPart, EventsPart, events_part
from sessiond.store.log_entries import Place
from sessiond.store.log_tail import Checkpoint


class Watcher:
    """Takes what happens from the live feed, and gives it to the task that holds it."""

    def __init__(self, wanted: EventFilter, backlog: int) -> None:
        """Set what is kept.

        Args:
            wanted: what it is told of.
            backlog: how many events may wait.
        """
        self.wanted = wanted
        self.ending = False
        """Whether it is to end once all that waits was taken."""
        self.live = False
        """Whether it takes what happens; until then it reads the logs by itself."""
        self._backlog = backlog
        self._waiting: deque[EventsPart | CheckpointPart] = deque()
        self._events_waiting = 0
        self._ahead: dict[int, Place] = {}
        """Where it knows more than the feed has told."""
        self._news = asyncio.Event()
        self._scope = asyncio.timeout(None)
        self._error: SessionStoreError | None = None

    @property
    def in_step(self) -> bool:
        """Whether it knows what the feed has told, and no more."""
        return self.live and not self._ahead

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Bind the watcher to this task, which `fail` then ends wherever it waits.

        Raises:
            SessionStoreError: what it failed with.
        """
        try:
            async with self._scope:
                yield
        except TimeoutError:
            if self._error is None or not self._scope.expired():
                raise
            raise self._error from None

    def go_live(self, places: Mapping[int, Place], told: Mapping[int, Place]) -> None:
        """Take what happens from here on.

        Args:
            places: up to where the watcher knows the logs: nowhere less far than the feed.
            told: up to where the feed has told them.
        """
        self._ahead = {i: at for i, at in places.items() if at.count > told[i].count}
        self.live = True

    def tell(self, batch: Batch) -> bool:
        """Take what it wants of a batch; whether that was anything."""
        if not self.live or self.ending:
            return False
        part = self._catch_up_with(batch) if self._ahead else batch.part(self.wanted)
        if part is None:
            return False
        self._events_waiting += len(part.events)
        if self._events_waiting > self._backlog:
            self.fail(WatcherTooSlowError("more events wait for the watcher than are kept"))
        else:
            self._put(part)
        return True

    def assure(self, checkpoint: Checkpoint, cursor: str, told: Mapping[int, Place]) -> None:
        """Take a checkpoint; of those that follow each other only the latest waits."""
        if not self.live or self.ending:
            return
        if self._ahead:
            cursor = cursors.write(self.wanted, self._known(told))
        if self._waiting and isinstance(self._waiting[-1], CheckpointPart):
            self._waiting.pop()
        self._put(CheckpointPart(checkpoint.time_ms, checkpoint.begun_s, cursor))

    def finish(self) -> None:
        """End well, once all that waits was taken; what comes later is left to the next stream."""
        self.ending = True
        self._news.set()

    def fail(self, error: SessionStoreError) -> None:
        """End at once, wherever its task waits."""
        if self._error is None:
            self._error = error
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def parts(self) -> AsyncIterator[EventsPart | CheckpointPart]:
        """What it was told, as it comes, until it ends."""
        while True:
            while self._waiting:
                part = self._waiting.popleft()
                if isinstance(part, EventsPart):
                    self._events_waiting -= len(part.events)
                yield part
            if self.ending:
                return
            self._news.clear()
            await self._news.wait()

    def _put(self, part: EventsPart | CheckpointPart) -> None:
        self._waiting.append(part)
        self._news.set()

    def _catch_up_with(self, batch: Batch) -> EventsPart | None:
        """What a batch tells beyond what was known; and what is known ahead of it still."""
        news = [
            stretch.after(known.count) if (known := self._ahead.get(stretch.partition)) else stretch
            for stretch in batch.stretches
        ]
        part = events_part(self.wanted, news, self._known(batch.places))
        self._ahead = {i: at for i, at in self._ahead.items() if at.count > batch.places[i].count}
        return part

    def _known(self, told: Mapping[int, Place]) -> dict[int, Place]:
        return {**told, **{i: at for i, at in self._ahead.items() if at.count > told[i].count}}
