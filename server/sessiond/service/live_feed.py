"""What happens, told to every watcher of this server as it is read by one reader.

The reader runs only while somebody watches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import structlog

from sessiond.domain.errors import (
    CursorTooOldError,
    InternalError,
    LogRewoundError,
    SessionStoreError,
)
from sessiond.domain.events import EventFilter
from sessiond.domain.limits import MOST_EVENTS
from sessiond.service import cursors, faults
from sessiond.service.watch_parts import Batch
from sessiond.service.watcher import Watcher
from sessiond.store.log_entries import Place, Stretch
from sessiond.store.log_tail import Checkpoint, TailRead

_REST_S: Final = 0.002
_REST_PER_TOLD_S: Final = 0.00025
_MOST_REST_S: Final = 0.1
"""After a read that gave events: what happens meanwhile is sent together, so that many watchers do
not cost a message each for every single event."""


class Tail(Protocol):
    """Reads on from where the logs end when it begins; see `LogTail`."""

    places: dict[int, Place]

    async def begin(self) -> None:
        """Find out where they end."""
        ...

    async def read(self) -> TailRead:
        """What happened next."""
        ...

    async def close(self) -> None:
        """Read no more."""
        ...


class LiveFeed:
    """All watchers of one server, and the reader that they share."""

    def __init__(self, make_tail: Callable[[], Tail]) -> None:
        self.places: Mapping[int, Place] = {}
        """Up to where events were told, by partition."""
        self.log_events: int | None = None
        """How many all logs held when the reader last looked, if somebody watches."""
        self._make_tail = make_tail
        self._watchers: set[Watcher] = set()
        self._checkpoint: Checkpoint | None = None
        self._starting = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._readers: set[asyncio.Task[None]] = set()
        """Those that are ending, too."""
        self._log = structlog.get_logger("sessiond.watch")

    @property
    def lag_s(self) -> float | None:
        """How long ago the reading for the latest checkpoint began, if somebody watches."""
        checkpoint = self._checkpoint
        return time.monotonic() - checkpoint.begun_s if checkpoint else None

    async def join(self, watcher: Watcher) -> None:
        """Tell a watcher from now on, and have `places` from which it is told.

        Raises:
            StoreUnavailableError: the store is out of reach.
        """
        async with self._starting:
            if self._reader is None:
                tail = self._make_tail()
                await tail.begin()
                self.places = dict(tail.places)
                self._reader = asyncio.create_task(self._follow(tail))
                self._readers.add(self._reader)
                self._reader.add_done_callback(self._readers.discard)
            self._watchers.add(watcher)

    def go_live(self, watcher: Watcher, places: Mapping[int, Place]) -> None:
        """Tell a watcher what happens from here on: it knows the logs up to these places.

        Nowhere does it know less than was told.
        """
        watcher.go_live(places, self.places)
        if self._checkpoint:
            cursor = cursors.write(watcher.wanted, self.places)
            watcher.assure(self._checkpoint, cursor, self.places)

    def leave(self, watcher: Watcher) -> None:
        """Tell a watcher no more."""
        self._watchers.discard(watcher)
        if not self._watchers and self._reader:
            self._reader.cancel()
            self._forget_reader()

    async def close(self) -> None:
        """Wait until nothing is read any more. Nobody watches by then."""
        if self._readers:
            await asyncio.wait(self._readers)

    async def _follow(self, tail: Tail) -> None:
        error: SessionStoreError = InternalError("internal error")
        try:
            while True:
                told = self._tell(await tail.read())
                if told:
                    await asyncio.sleep(min(_REST_S + told * _REST_PER_TOLD_S, _MOST_REST_S))
        except (CursorTooOldError, LogRewoundError) as lost:
            self._log.warning("log_lost", reason=lost.reason)
            error = lost
        except Exception as fault:  # noqa: BLE001  nobody else would learn of it
            self._log.error("fault", error=type(fault).__name__, frames=faults.frames(fault))
        finally:
            await tail.close()
        self._end(error)

    def _end(self, error: SessionStoreError) -> None:
        self._forget_reader()
        for watcher in self._watchers:
            watcher.fail(error)
        self._watchers = set()

    def _forget_reader(self) -> None:
        self._reader = self._checkpoint = self.log_events = None

    def _tell(self, read: TailRead) -> int:
        """Tell all watchers of what was read; how many messages that makes."""
        if read.held is not None:
            self.log_events = read.held
        if read.reconnected:
            self._end_those_ahead()
        told = 0
        for batch in _batches(read.stretches, self.places):
            self.places = batch.places
            for watcher in self._watchers:
                told += watcher.tell(batch)
        if read.checkpoint:
            self._assure(read.checkpoint)
        return told

    def _end_those_ahead(self) -> None:
        # They read what the reader had not, and may be the only ones that the engine lost it for.
        for watcher in self._watchers:
            if not watcher.in_step:
                watcher.finish()

    def _assure(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        written: dict[EventFilter, str] = {}
        for watcher in self._watchers:
            wanted = watcher.wanted
            if wanted not in written:
                written[wanted] = cursors.write(wanted, self.places)
            watcher.assure(checkpoint, written[wanted], self.places)


def _batches(stretches: Sequence[Stretch], places: Mapping[int, Place]) -> Iterator[Batch]:
    """All events, in order, in batches of at most MOST_EVENTS."""
    waiting: list[Stretch] = []
    room = MOST_EVENTS
    for stretch in stretches:
        left = stretch
        while len(left.events) > room:
            first, left = left.split(room) if room else (None, left)
            waiting += [first] if first else []
            places = _after(waiting, places)
            yield Batch(waiting, places)
            waiting, room = [], MOST_EVENTS
        waiting.append(left)
        room -= len(left.events)
    if waiting:
        yield Batch(waiting, _after(waiting, places))


def _after(stretches: Sequence[Stretch], places: Mapping[int, Place]) -> dict[int, Place]:
    return {**places, **{stretch.partition: stretch.place for stretch in stretches}}
