"""`sessionctl export`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from sessionstore import SessionStoreError, State
from sessionstore.cli.command import Cli
from sessionstore.cli.exits import ExitCode, Failure
from sessionstore.cli.tables import counted
from sessionstore.cli.transfer.rows import FileFormat
from sessionstore.cli.transfer.target import Target, open_target
from sessionstore.cli.transfer.writing import ALL, TABLE, Rows


def export(
    cli: Cli,
    file: Annotated[str, typer.Argument(help='Where to write; "-" for stdout.')],
    *,
    user: Annotated[str, typer.Option(help="Of this user only.", metavar="USER")] = "",
    states: Annotated[
        list[State] | None, typer.Option("--state", help="Only in this state; more than once.")
    ] = None,
    form: Annotated[
        FileFormat, typer.Option("--format", help="CSV with a header, or JSON Lines.")
    ] = FileFormat.CSV,
    all_columns: Annotated[
        bool, typer.Option("--all-columns", help="Not only those of the old table.")
    ] = False,
    resume: Annotated[
        str, typer.Option(help="Go on where an interrupted export stopped.", metavar="TOKEN")
    ] = "",
) -> None:
    """Write sessions to a file, without any credential.

    Columns: id, userId, userAgent, ipAddr, createdAt, expiresAt, revokedAt. Until it is complete, a
    file is named FILE.part. A session that changes meanwhile may be in it twice. What users sent is
    written as it is: a spreadsheet would take some of it for formulas.
    """
    rows = Rows(form, ALL if all_columns else TABLE)
    try:
        target = open_target(file, resumed=bool(resume))
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}", ExitCode.USAGE) from error
    try:
        if not resume:
            target.write(rows.header())
        Export(cli, rows, target, resume).run(user, states or ())
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}") from error


class Export:
    """Sessions on their way into a target."""

    def __init__(self, cli: Cli, rows: Rows, target: Target, resume_token: str) -> None:
        self._cli = cli
        self._rows = rows
        self._target = target
        self._place = resume_token
        self._count = 0

    def run(self, user: str, states: Sequence[State]) -> None:
        """Write all of them; if that is stopped, say how to go on."""
        try:
            self._copy(user, states)
        except (SessionStoreError, KeyboardInterrupt):
            self._target.keep()
            how = f": go on with --resume {self._place}" if self._place else ""
            self._cli.output.note(f"stopped after {counted(self._count, 'session')}{how}")
            raise
        self._target.complete()
        self._cli.output.note(counted(self._count, "session"))

    def _copy(self, user: str, states: Sequence[State]) -> None:
        pages = self._cli.admin.export(user, states=states, resume_token=self._place)
        with self._cli.output.progress("export") as progress:
            for page in pages:
                self._target.write(self._rows.text(page.sessions))
                self._place = page.resume_token
                self._count += len(page.sessions)
                progress.at(page.users_done, page.users_total)
