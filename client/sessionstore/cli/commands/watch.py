"""`sessionctl watch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Annotated, TypeAlias

import typer

from sessionstore.cli.command import Cli
from sessionstore.cli.output import Output
from sessionstore.cli.watching.lines import Lines
from sessionstore.cli.watching.live_table import LiveTable
from sessionstore.cli.watching.notices import Notices
from sessionstore.errors import CursorTooOld, LogRewound
from sessionstore.watch_types import EventType, Interrupted, Opened, WatchUpdate

_Update: TypeAlias = WatchUpdate | Interrupted


def watch(
    cli: Cli,
    user: Annotated[
        str,
        typer.Argument(help="Only this user's sessions.", metavar="USER", show_default=False),
    ] = "",
    *,
    types: Annotated[
        list[EventType] | None,
        typer.Option(
            "--type",
            help="Only this; more than once.",
            metavar="created|ended|expired",
            case_sensitive=False,
        ),
    ] = None,
    cursor: Annotated[
        str,
        typer.Option(help="Go on where a line of the same watch had it.", metavar="CURSOR"),
    ] = "",
    checkpoints: Annotated[
        bool,
        typer.Option("--checkpoints", help="Lines for checkpoints too, one a second."),
    ] = False,
) -> None:
    """Show sessions as they are created and end, until Ctrl-C.

    On a terminal a table, newest lowest. Elsewhere, and with -o json, a line of JSON for each
    event; with the cursor of the last line that was worked off, a later watch goes on behind it. A
    line of type GAP tells that events before it are missing. Connections that break are made anew.
    """
    updates = cli.sessions.follow(cursor, types=types or (), user_id=user or None)
    notices = Notices(cli.output)
    with closing(updates), _shown(cli.output, cursor, checkpoints=checkpoints) as show:
        for update in _begun(updates):
            notices.take(update)
            show(update)


@contextmanager
def _shown(
    output: Output, cursor: str, *, checkpoints: bool
) -> Iterator[Callable[[_Update], None]]:
    if output.json or not output.on_terminal:
        yield Lines(output, cursor, checkpoints=checkpoints).take
        return
    latest = LiveTable()
    with output.live(latest):
        yield latest.take


def _begun(updates: Iterator[_Update]) -> Iterator[_Update]:
    """The updates; what keeps the first stream from opening is raised, as in other commands."""
    opened = False
    for update in updates:
        opened = opened or isinstance(update, Opened)
        error = update.error if isinstance(update, Interrupted) else None
        if error and not (opened or isinstance(error, CursorTooOld | LogRewound)):
            raise error
        yield update
