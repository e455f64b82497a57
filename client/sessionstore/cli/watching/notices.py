"""How the streams of a watch fare, for whoever looks at stderr."""

from __future__ import annotations

from sessionstore.cli.durations import short
from sessionstore.cli.exits import sentence_of
from sessionstore.cli.output import Output
from sessionstore.cli.tables import counted
from sessionstore.watch_types import Interrupted, Opened, Snapshot, WatchUpdate


class Notices:
    """Says once why a stream broke off and that there is another, and where events are missing."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._problem = ""
        self._gap = False
        self._dead = 0

    def take(self, update: WatchUpdate | Interrupted) -> None:
        """Say what there is to say of it."""
        match update:
            case Interrupted():
                self._interrupted(update)
            case Opened() if self._problem:
                self._problem = ""
                self._output.note("sessionctl: watching again")
            case Snapshot() if self._gap:
                self._snapshot(update)

    def _interrupted(self, update: Interrupted) -> None:
        problem = sentence_of(update.error) if update.error else "the server ended the stream"
        if problem != self._problem:
            self._output.note(f"sessionctl: {problem}; {_next(update)}")
        self._problem = problem
        if update.has_gap:
            self._gap, self._dead = True, 0

    def _snapshot(self, part: Snapshot) -> None:
        self._dead += len(part.sessions)
        if part.complete:
            self._gap = False
            ended = counted(self._dead, "ended session")
            self._output.note(
                f"sessionctl: events are missing; a new snapshot has {ended} whose access tokens"
                " have not expired"
            )


def _next(update: Interrupted) -> str:
    if update.has_gap:
        return "beginning anew"
    return f"trying again in {short(update.retry_delay)}" if update.retry_delay else "resuming"
