"""The rows of a file on their way into the service, and what became of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sessionstore.admin_types import ImportedSession, ImportResult
from sessionstore.cli.transfer.reading import Entry, Readable
from sessionstore.cli.transfer.rows import Unreadable
from sessionstore.cli.transfer.tally import Tally

BATCH: Final = 500
"""Sessions of a request."""
_MOST_ROWS: Final = 5_000
"""Rows that a request may wait for, so that bad ones do not pile up."""
_AHEAD: Final = 8
"""Requests that may be without an answer: what is read ahead is held in memory."""


class Import:
    """Hands out batches on the thread that sends them, and takes the answers on another.

    Rows are settled in the order of the file, so all before `next_line` are.
    """

    def __init__(self, entries: Iterable[Entry], tally: Tally, *, from_line: int = 1) -> None:
        self.next_line = from_line
        """Where to go on if it stops here."""
        self._entries = entries
        self._tally = tally
        self._unsettled: deque[Entry] = deque()
        self._lock = threading.Lock()
        self._room = threading.Semaphore(_AHEAD)

    def batches(self) -> Iterator[Sequence[ImportedSession]]:
        """What to send; it waits for answers to what was sent before."""
        batch: list[ImportedSession] = []
        rows = 0
        for entry in self._entries:
            self._wait(entry)
            rows += 1
            if isinstance(entry, Readable):
                batch.append(entry.session)
            if batch and (len(batch) == BATCH or rows >= _MOST_ROWS):
                self._room.acquire()
                yield batch
                batch, rows = [], 0
        if batch:
            self._room.acquire()
            yield batch

    def answered(self, results: Iterable[ImportResult]) -> None:
        """Settle what one batch came to, and the bad rows up to there and behind it."""
        with self._lock:
            for result in results:
                self._settle_unreadable()
                entry = self._unsettled.popleft()
                self._tally.answered(entry.line, result)
                self.next_line = entry.line + 1
            self._settle_unreadable()
        self._room.release()

    def _wait(self, entry: Entry) -> None:
        with self._lock:
            self._unsettled.append(entry)
            self._settle_unreadable()

    def _settle_unreadable(self) -> None:
        while self._unsettled and isinstance(entry := self._unsettled[0], Unreadable):
            self._tally.unreadable(entry)
            self.next_line = entry.line + 1
            self._unsettled.popleft()
