"""Watching: what has to be known first, then what happens, as it happens.

A watcher reads the logs by itself, from the snapshot or from its cursor on, until it knows as much
as the live feed has told; from then on it is told by the feed. So it misses nothing in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sessiond.domain import jitter
from sessiond.domain.errors import (
    CursorTooOldError,
    LogRewoundError,
    OverloadedError,
    StoreUnavailableError,
    WatcherTooSlowError,
)
from sessiond.domain.events import EventFilter, EventType
from sessiond.domain.limits import MOST_EVENTS
from sessiond.service import cursors
from sessiond.service.live_feed import LiveFeed
from sessiond.service.snapshots import Snapshots
from sessiond.service.watch_parts import EventsPart, Opened, Part, SnapshotPart, events_part
from sessiond.service.watcher import Watcher
from sessiond.store.log import LogStore
from sessiond.store.log_entries import Place, Stretch

_MOST_READING: Final = 8
"""Watchers that read the logs by themselves at a time: a crowd leaves room for other calls."""
_AGE_JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """What a server bears of watchers."""

    watchers: int
    backlog: int
    """Events that may wait for one of them."""
    max_age: timedelta
    """How long a stream lives, give or take a tenth."""


@dataclass(frozen=True, slots=True)
class WatchFigures:
    """What operators are told."""

    watchers: int
    events_sent: int
    """To all watchers together, since the start."""
    cut_off: int
    """Watchers that read too slowly, since the start."""
    snapshots: int
    """Taken since the start."""
    lag_s: float | None
    """How long ago the reading for the latest checkpoint began, if somebody watches."""
    log_events: int | None
    """In all logs, as of the latest checkpoint, if somebody watches."""


class Watching:
    """All watchers of one server."""

    def __init__(self, log: LogStore, feed: LiveFeed, limits: WatchLimits) -> None:
        self._log = log
        self._feed = feed
        self._limits = limits
        self._watchers: set[Watcher] = set()
        self._reading = asyncio.Semaphore(_MOST_READING)
        self._beginnings = Snapshots(log, self._reading)
        self._stopping = False
        self._events_sent = self._cut_off = self._snapshots = 0

    def figures(self) -> WatchFigures:
        """As they are now. May be called from any thread."""
        return WatchFigures(
            len(self._watchers),
            self._events_sent,
            self._cut_off,
            self._snapshots,
            self._feed.lag_s,
            self._feed.log_events,
        )

    @asynccontextmanager
    async def watch(self, wanted: EventFilter, cursor: str) -> AsyncIterator[AsyncIterator[Part]]:
        """The parts of a stream, from a cursor on; of one that begins anew if that is empty.

        They end by themselves when the server stops, and when the stream is old. The task that
        entered is ended with an error wherever it waits:

        Raises:
            InvalidFieldError: the cursor is not of a stream with this filter.
            CursorTooOldError, LogRewoundError: the stream would have a gap.
            WatcherTooSlowError: too many events wait.
            OverloadedError: there are as many watchers as the server bears.
            StoreUnavailableError: the store is out of reach, or the server is stopping.
        """
        begin = cursors.read(cursor, wanted) if cursor else None
        watcher = self._admit(wanted)
        try:
            async with watcher.held():
                await self._feed.join(watcher)
                async with aclosing(self._parts(watcher, begin)) as parts:
                    yield parts
        except WatcherTooSlowError:
            self._cut_off += 1
            raise
        finally:
            self._feed.leave(watcher)
            self._watchers.discard(watcher)

    def stop(self) -> None:
        """Take no more watchers, and end those that there are once all that waits was taken."""
        self._stopping = True
        for watcher in self._watchers:
            watcher.finish()

    async def close(self) -> None:
        """Wait until nothing is read for watchers any more. There are none by then."""
        await self._beginnings.close()
        await self._feed.close()

    def _admit(self, wanted: EventFilter) -> Watcher:
        if self._stopping:
            raise StoreUnavailableError("the server is stopping")
        if len(self._watchers) >= self._limits.watchers:
            raise OverloadedError("the server has as many watchers as it takes")
        watcher = Watcher(wanted, self._limits.backlog)
        self._watchers.add(watcher)
        return watcher

    async def _parts(
        self, watcher: Watcher, begin: Mapping[int, Place] | None
    ) -> AsyncGenerator[Part, None]:
        spread = jitter.between(1 - _AGE_JITTER, 1 + _AGE_JITTER)
        age_s = self._limits.max_age.total_seconds() * spread
        at_age = asyncio.get_running_loop().call_later(age_s, watcher.finish)
        try:
            async for part in self._all_parts(watcher, begin):
                if isinstance(part, EventsPart):
                    self._events_sent += len(part.events)
                yield part
        finally:
            at_age.cancel()

    async def _all_parts(
        self, watcher: Watcher, begin: Mapping[int, Place] | None
    ) -> AsyncIterator[Part]:
        yield Opened(await self._log.now_ms())
        places = dict(begin or {})
        if begin:
            async with self._reading:
                await self._log.check(begin)
        else:
            async for part in self._snapshot(watcher, places):
                yield part
        async for caught in self._catch_up(watcher, places):
            yield caught
        async for told in watcher.parts():
            yield told

    async def _snapshot(
        self, watcher: Watcher, places: dict[int, Place]
    ) -> AsyncIterator[SnapshotPart]:
        """The snapshot of every partition in turn, which brings the places with it."""
        wanted = watcher.wanted
        self._snapshots += 1
        asked = EventType.ENDED in wanted.types
        for partition in cursors.partitions_of(wanted):
            if watcher.ending:
                return
            epoch = self._feed.epoch
            beginning = await self._beginnings.of(partition, dead=asked, epoch=epoch)
            places[partition] = beginning.place
            for part in beginning.parts:
                yield part
        yield SnapshotPart((), cursors.write(wanted, places))

    async def _catch_up(
        self, watcher: Watcher, places: dict[int, Place]
    ) -> AsyncIterator[EventsPart]:
        """What the feed told before the watcher came, until there is nothing left of it."""
        while behind := [i for i, at in places.items() if at.count < self._feed.places[i].count]:
            for partition in behind:
                while places[partition].count < self._feed.places[partition].count:
                    if watcher.ending:
                        return
                    stretch = await self._read_on(partition, places[partition])
                    if not stretch.events:
                        raise LogRewoundError("the store has lost events that were told already")
                    places[partition] = stretch.place
                    if part := events_part(watcher.wanted, (stretch,), places):
                        yield part
        self._feed.go_live(watcher, places)

    async def _read_on(self, partition: int, place: Place) -> Stretch:
        try:
            async with self._reading:
                return await self._log.read(partition, place, MOST_EVENTS)
        except (CursorTooOldError, LogRewoundError):
            # The watcher begins anew, and shall not be led here again.
            self._beginnings.forget()
            raise
