"""A watch for people: the latest events, and a line that tells how fresh they are."""

from __future__ import annotations

import time
from datetime import UTC, timedelta

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from sessionstore.cli.durations import short
from sessionstore.cli.tables import counted, cut, table
from sessionstore.watch_types import (
    Checkpoint,
    Event,
    Events,
    EventType,
    Interrupted,
    Opened,
    WatchUpdate,
)

_MOST = 200
"""Events that are remembered, for terminals of any height."""
_AROUND = 3
"""Lines beside the events: the header, the state, and the cursor's."""
_LATE_S = 3.0
"""Checkpoints come every second."""


class LiveTable:
    """The latest events as far as the terminal is high, the last one lowest.

    It is drawn by a thread of its own, whose state is never changed but exchanged.
    """

    def __init__(self) -> None:
        self._events: tuple[Event, ...] = ()
        self._count = 0
        self._state = "connecting"
        self._checkpoint: tuple[Checkpoint, float] | None = None

    def take(self, update: WatchUpdate | Interrupted) -> None:
        """Show what it tells."""
        match update:
            case Opened():
                self._state = "connected"
            case Events():
                self._count += len(update.events)
                self._events = (*self._events, *update.events)[-_MOST:]
            case Checkpoint():
                self._checkpoint = update, time.monotonic()
            case Interrupted():
                self._state = "not connected"

    def __rich_console__(self, console: Console, _: ConsoleOptions) -> RenderResult:
        yield self._table(max(console.height - _AROUND, 1))
        yield self._footer()

    def _table(self, rows: int) -> Table:
        made = table("TIME UTC", "EVENT", "SESSION", "USER", whole=("TIME UTC", "EVENT", "SESSION"))
        for event in self._events[-rows:]:
            made.add_row(
                f"{event.time.astimezone(UTC):%H:%M:%S}",
                _what(event),
                event.session_id,
                cut(event.user_id),
            )
        return made

    def _footer(self) -> Text:
        footer = Text(no_wrap=True, overflow="ellipsis", style="dim")
        footer.append(f"{self._state}; {counted(self._count, 'event')}; ")
        if self._checkpoint is None:
            return footer.append("no checkpoint yet")
        checkpoint, received_s = self._checkpoint
        age_s = time.monotonic() - received_s
        told = f"last checkpoint {short(timedelta(seconds=age_s))} ago"
        footer.append(told, "not dim bold red" if age_s > _LATE_S else None)
        return footer.append(f"; lag {short(checkpoint.lag)}")


def _what(event: Event) -> str:
    """What happened, in one word: an end is told by its reason."""
    ended = event.type == EventType.ENDED and event.end_reason
    return str(ended or event.type)
