"""What happens, told to every watcher of this server as it is read by one reader.

The reader runs only while somebody watches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog

from sessiond.domain.errors import (
    CursorTooOldError,
    InternalError,
    LogRewoundError,
    SessionStoreError,
    StoreUnavailableError,
)
from sessiond.domain.events import EventFilter
from sessiond.service import cursors, faults
from sessiond.service.watch_parts import batches
from sessiond.service.watcher import Watcher
from sessiond.store.log_entries import Place
from sessiond.store.log_tail import Checkpoint, TailRead

_REST_S: Final = 0.002
_REST_PER_MESSAGE_S: Final = 0.00025
_MOST_REST_S: Final = 0.1
"""After a batch. Watchers take it meanwhile, and what happens then is sent together: a crowd of
them does not cost a message each for every single event."""


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
        self._begun = asyncio.Event()
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

        It fails with StoreUnavailableError if the store is out of reach.
        """
        self._watchers.add(watcher)
        if self._reader is None:
            self._begun = asyncio.Event()
            self._reader = asyncio.create_task(self._follow(self._make_tail(), self._begun))
            self._readers.add(self._reader)
            self._reader.add_done_callback(self._readers.discard)
        await self._begun.wait()

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

    async def _follow(self, tail: Tail, begun: asyncio.Event) -> None:
        error: SessionStoreError = InternalError("internal error")
        try:
            await tail.begin()
            self.places = dict(tail.places)
            begun.set()
            while True:
                await self._tell(await tail.read())
        except (CursorTooOldError, LogRewoundError, StoreUnavailableError) as lost:
            self._log.warning("watchers_lost", reason=lost.reason)
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

    async def _tell(self, read: TailRead) -> None:
        """Tell all watchers of what was read, batch by batch."""
        if read.held is not None:
            self.log_events = read.held
        if read.reconnected:
            self._end_those_ahead()
        for batch in batches(read.stretches, self.places):
            self.places = batch.places
            messages = sum(watcher.tell(batch) for watcher in self._watchers)
            await asyncio.sleep(min(_REST_S + messages * _REST_PER_MESSAGE_S, _MOST_REST_S))
        if read.checkpoint:
            self._assure(read.checkpoint)

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
