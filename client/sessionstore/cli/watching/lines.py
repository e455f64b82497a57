"""A watch for programs: JSON, a line for each event."""

from __future__ import annotations

from typing import Any

from sessionstore.cli.output import Output, jsonable
from sessionstore.errors import SessionStoreError
from sessionstore.watch_types import Checkpoint, Events, Interrupted, Snapshot, WatchUpdate


class Lines:
    """Prints lines; whoever has worked one off may resume at its cursor, and misses nothing.

    Args:
        output: where to.
        cursor: of the watch, if it was resumed.
        checkpoints: whether they are lines too.
    """

    def __init__(self, output: Output, cursor: str, *, checkpoints: bool) -> None:
        self._output = output
        self._cursor = cursor
        self._checkpoints = checkpoints
        self._gap = ""

    def take(self, update: WatchUpdate | Interrupted) -> None:
        """Print what it tells.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        self._output.expect_reader()
        match update:
            case Events():
                self._events(update)
            case Checkpoint():
                self._cursor = update.cursor
                if self._checkpoints:
                    line = {"type": "CHECKPOINT", "time": update.time, "lag": update.lag}
                    self._print(line)
            case Snapshot(complete=True):
                self._cursor = update.cursor
                if self._gap:
                    self._print({"type": "GAP", "reason": self._gap})
                    self._gap = ""
            case Interrupted(has_gap=True, error=SessionStoreError(reason=reason)):
                self._gap = reason

    def _events(self, update: Events) -> None:
        """The cursor is behind all of them: until the last one, what came before has to do."""
        last = len(update.events) - 1
        for number, event in enumerate(update.events):
            if number == last:
                self._cursor = update.cursor
            self._print(jsonable(event))

    def _print(self, line: dict[str, Any]) -> None:
        self._output.line({**line, "cursor": self._cursor})
