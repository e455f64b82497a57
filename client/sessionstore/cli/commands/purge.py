"""`sessionctl purge`."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Annotated, Any

import typer

from sessionstore.admin_types import PurgeProgress
from sessionstore.cli.asking import confirm
from sessionstore.cli.command import Cli
from sessionstore.cli.durations import parse_duration, parse_time, rfc3339
from sessionstore.cli.exits import ExitCode, Failure
from sessionstore.cli.options import Yes
from sessionstore.cli.output import Whole
from sessionstore.cli.tables import counted, session_table
from sessionstore.types import Session


def purge(
    cli: Cli,
    *,
    older_than: Annotated[
        str,
        typer.Option(help="Ended or expired at least so long ago; 0 for all.", metavar="DURATION"),
    ] = "",
    cutoff: Annotated[
        str, typer.Option(help="Ended or expired before; a preview gives it.", metavar="TIME")
    ] = "",
    include_active: Annotated[
        bool, typer.Option("--include-active", help="Also live ones not refreshed since then.")
    ] = False,
    execute: Annotated[
        bool, typer.Option("--execute", help="Remove them; a preview without this.")
    ] = False,
    resume: Annotated[
        str, typer.Option(help="Go on where an interrupted purge stopped.", metavar="TOKEN")
    ] = "",
    yes: Yes = False,
) -> None:
    """Remove old sessions, or say which would be removed.

    A preview changes nothing, and prints the command that removes exactly what it showed. Live
    sessions end as REVOKED_BY_ADMIN first. With -o json every message of progress is a line.
    """
    age = _age(older_than, cutoff)
    if execute:
        old = f"older than {older_than}" if older_than else f"from before {cutoff}"
        what = "all sessions" if include_active else "all ended and expired sessions"
        confirm(cli, f"remove {what} {old}", yes=yes)
    run = _Run(cli, include_active=include_active, execute=execute, resume_token=resume)
    last = run.follow(age)
    if not cli.output.json:
        _report(cli, last, run.samples, include_active=include_active, execute=execute)


class _Run:
    """A purge and how far it has come."""

    def __init__(self, cli: Cli, **options: Any) -> None:
        self.samples: list[Session] = []
        self._cli = cli
        self._options = options

    def follow(self, age: dict[str, Any]) -> PurgeProgress:
        """Show the progress to its end; if it is stopped, how to go on."""
        last: PurgeProgress | None = None
        told = self._cli.admin.purge(**age, **self._options)
        try:
            with self._cli.output.progress("users") as bar:
                for last in told:
                    self.samples += last.samples
                    bar.at(last.users_done, last.users_total)
                    if self._cli.output.json:
                        self._cli.output.line(last)
        except BaseException:
            if last and last.resume_token:
                self._cli.output.note(f"stopped: go on with --resume {last.resume_token}")
            raise
        if last is None or not last.done:
            raise Failure("the purge ended before its end")
        return last


def _age(older_than: str, cutoff: str) -> dict[str, Any]:
    if bool(older_than) == bool(cutoff):
        raise Failure("say how old: --older-than 30d, or --cutoff TIME", ExitCode.USAGE)
    if older_than:
        return {"older_than": parse_duration(older_than)}
    return {"cutoff_time": parse_time(cutoff)}


def _report(
    cli: Cli,
    last: PurgeProgress,
    samples: list[Session],
    *,
    include_active: bool,
    execute: bool,
) -> None:
    verb = "removed" if execute else "would be removed"
    cli.output.print(
        f"{counted(last.sessions, 'session')} {verb}: {last.ended_sessions:,} ended, "
        f"{last.expired_sessions:,} expired, {last.active_sessions:,} active",
        f"cutoff {rfc3339(last.cutoff_time)}",
    )
    if samples:
        cli.output.print(f"\n{len(samples)} of them:", session_table(samples))
    if not execute and last.sessions:
        command = _command(cli, last.cutoff_time, include_active=include_active)
        cli.output.print("\nTo remove exactly these:", Whole(f"  {command}"))


def _command(cli: Cli, cutoff: datetime, *, include_active: bool) -> str:
    words = ["sessionctl", "purge", "--cutoff", rfc3339(cutoff)]
    words += ["--include-active"] if include_active else []
    return shlex.join([*words, "--execute", *cli.given])
