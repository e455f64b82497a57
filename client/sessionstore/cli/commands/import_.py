"""`sessionctl import`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from sessionstore import SessionStoreError
from sessionstore.cli.command import Cli
from sessionstore.cli.exits import ExitCode, Failure
from sessionstore.cli.transfer.columns import Columns
from sessionstore.cli.transfer.importing import Import
from sessionstore.cli.transfer.reading import Reader
from sessionstore.cli.transfer.rows import FileFormat
from sessionstore.cli.transfer.source import Source, open_source
from sessionstore.cli.transfer.summary import Summary
from sessionstore.cli.transfer.tally import Tally
from sessionstore.cli.transfer.times import Epoch, Times


def import_(
    cli: Cli,
    file: Annotated[str, typer.Argument(help='CSV with a header, or JSON Lines; "-" for stdin.')],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come in, and change nothing.")
    ] = False,
    column_maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="The column of a field, as in user_id=uid; attributes.KEY=COLUMN keeps more.",
            metavar="FIELD=COLUMN",
        ),
    ] = None,
    zone: Annotated[
        str, typer.Option("--timezone", help="Of times without one, such as UTC.", metavar="NAME")
    ] = "",
    epoch: Annotated[
        Epoch | None, typer.Option(help="What times that are numbers count since 1970.")
    ] = None,
    profile: Annotated[
        str, typer.Option(help="The policy of rows without a profile.", metavar="NAME")
    ] = "",
    form: Annotated[
        FileFormat | None,
        typer.Option("--format", help="Told by the first character if not given."),
    ] = None,
    delimiter: Annotated[
        str, typer.Option(help="Between the columns of CSV.", metavar="CHARACTER")
    ] = ",",
    from_line: Annotated[
        int, typer.Option(help="Go on with the row in this line.", metavar="LINE", min=1)
    ] = 1,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write every row that did not come in here, as JSON Lines.", metavar="FILE"
        ),
    ] = None,
) -> None:
    """Take over sessions from a file of another system.

    Columns: id, userId, createdAt, expiresAt, and if there are any revokedAt, userAgent, ipAddr,
    profile, deviceId, deviceName, fingerprint. What is here already stays as it is, so an import
    may be run again. Exits with 1 if a row is wrong; all others came in.
    """
    with _usage_errors():
        reader = Reader(
            columns=Columns(column_maps or ()),
            times=Times(_zone(zone), epoch),
            form=form,
            delimiter=_character(delimiter),
            profile=profile,
        )
        source = open_source(file)
        entries = reader.entries(source.stream, from_line=from_line)
        # What an import goes on with adds to the report of its first part.
        lines = report.open("a" if from_line > 1 else "w", encoding="utf-8") if report else None
    with lines or nullcontext():
        tally = Tally(cli.output.note, lines)
        _run(cli, Import(entries, tally, from_line=from_line), source, tally, dry_run=dry_run)


def _run(cli: Cli, work: Import, source: Source, tally: Tally, *, dry_run: bool) -> None:
    started = time.monotonic()

    def summarize(next_line: int | None) -> None:
        seconds = time.monotonic() - started
        summary = Summary.of(tally, validate_only=dry_run, next_line=next_line, seconds=seconds)
        cli.output.show(summary, summary.table(), f"\n{summary.sentence()}")

    try:
        _send(cli, work, source, tally, dry_run=dry_run)
    except (SessionStoreError, OSError, KeyboardInterrupt) as error:
        summarize(work.next_line)
        cli.output.note(f"stopped: go on with --from-line {work.next_line}, or from the beginning")
        if isinstance(error, OSError):
            raise Failure(f"the file or the report: {error.strerror}") from error
        raise
    source.stream.close()
    summarize(None)
    if tally.bad:
        raise Failure(f"{tally.bad:,} rows are wrong")


def _send(cli: Cli, work: Import, source: Source, tally: Tally, *, dry_run: bool) -> None:
    with cli.output.progress("import", of_bytes=bool(source.size)) as progress:
        for results in cli.admin.import_sessions(work.batches(), validate_only=dry_run):
            work.answered(results)
            progress.at(source.position() or sum(tally.counts.values()), source.size)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """What is wrong with the options or the file as a whole becomes one sentence."""
    try:
        yield
    except ValueError as error:
        raise Failure(str(error), ExitCode.USAGE) from error
    except OSError as error:
        raise Failure(f"{error.filename or 'file'}: {error.strerror}", ExitCode.USAGE) from error


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, OSError):
        raise ValueError(f"there is no time zone {name!r}") from None


def _character(text: str) -> str:
    if len(text) != 1 or text in '"\r\n':
        raise ValueError("a delimiter is one character, such as ';'")
    return text
