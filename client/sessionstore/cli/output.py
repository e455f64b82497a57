"""What sessionctl prints: tables for people, JSON for programs, notes and progress on stderr."""

from __future__ import annotations

import errno
import json
import os
import select
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from sessionstore.cli.durations import rfc3339
from sessionstore.types import Session
from sessionstore.watch_types import Event

_IDS: Mapping[type, str] = {Session: "session_id", Event: "event_id"}
"""What the contract calls an `id`."""


class Format(StrEnum):
    """How to print an answer."""

    TABLE = "table"
    JSON = "json"


class Whole(str):
    """A line to be copied: it is never wrapped."""

    __slots__ = ()


class Output:
    """Answers on stdout, everything else on stderr."""

    def __init__(self, wanted: Format) -> None:
        self.json = wanted is Format.JSON
        # What callers stored is printed as it is: neither markup nor smileys.
        self._out = Console(markup=False, emoji=False, highlight=False)
        self._err = Console(stderr=True, markup=False, emoji=False, highlight=False)
        self._notes = self._err

    def show(self, answer: object, *tables: RenderableType) -> None:
        """One answer: as one JSON document, or as tables."""
        if self.json:
            self._out.out(json.dumps(jsonable(answer), indent=2, ensure_ascii=False))
            return
        self.print(*tables)

    def line(self, record: object) -> None:
        """One record of a stream, as a line of JSON, whatever the format."""
        self._out.out(json.dumps(jsonable(record), ensure_ascii=False))

    def print(self, *tables: RenderableType) -> None:
        """Something for people."""
        for table in tables:
            self._out.print(table, soft_wrap=isinstance(table, Whole))

    def note(self, sentence: str) -> None:
        """A remark beside the answer."""
        self._notes.print(sentence, soft_wrap=True)

    def expect_reader(self) -> None:
        """Make sure that somebody may still read stdout, while there is nothing to write.

        Raises:
            BrokenPipeError: nobody does.
        """
        if not hasattr(select, "poll"):  # Windows
            return
        polled = select.poll()
        with suppress(OSError):  # stdout is no file
            polled.register(sys.stdout, 0)  # whether it is broken is always told
        if polled.poll(0):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    @property
    def on_terminal(self) -> bool:
        """Whether stdout is a terminal."""
        return self._out.is_terminal

    @contextmanager
    def live(self, view: RenderableType) -> Iterator[None]:
        """Show on stdout, a terminal, what looks different all the time.

        Notes stand above it where stderr is a terminal too.
        """
        with Live(view, console=self._out, redirect_stdout=False, redirect_stderr=False):
            self._notes = self._out if self.interactive else self._err
            try:
                yield
            finally:
                self._notes = self._err

    @property
    def interactive(self) -> bool:
        """Whether somebody is there to be asked and to watch."""
        return self._err.is_terminal

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """Show that something is waited for, if stderr is a terminal."""
        return self._err.status(what) if self.interactive else nullcontext()

    @contextmanager
    def progress(self, what: str, *, of_bytes: bool = False) -> Iterator[Progressed]:
        """A progress bar, if stderr is a terminal. It is gone once the work is done."""
        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn() if of_bytes else MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._err,
            disable=not self.interactive,
            transient=True,
        ) as bar:
            yield Progressed(bar, what)


class Progressed:
    """How far some work has come."""

    def __init__(self, bar: Progress, what: str) -> None:
        self._bar = bar
        self._task = bar.add_task(what, total=None)

    def at(self, done: int, total: int) -> None:
        """So many are done; total is 0 if it is not known."""
        self._bar.update(self._task, completed=done, total=total or None)


def jsonable(value: Any) -> Any:
    """A value of the SDK as JSON has it.

    Fields are named as in the contract; times are RFC 3339 in UTC, durations seconds with an "s".
    """
    if is_dataclass(value):
        renamed = {"id": _IDS.get(type(value), "id")}
        return {
            renamed.get(field.name, field.name): jsonable(getattr(value, field.name))
            for field in fields(value)
        }
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, Mapping):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    return value
