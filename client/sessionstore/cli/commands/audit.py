"""`sessionctl audit`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from sessionstore.admin_types import AuditProgress
from sessionstore.cli.asking import confirm
from sessionstore.cli.command import Cli
from sessionstore.cli.exits import ExitCode, Failure
from sessionstore.cli.options import Yes
from sessionstore.cli.tables import plain, table


def audit(
    cli: Cli,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be repaired, as it is found.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Compare sessions, indexes, counters and TTLs, and say what disagrees.

    Exits with 1 if anything disagrees that is not repaired. With -o json every message of progress
    is a line.
    """
    if repair:
        confirm(cli, "repair what disagrees in the store", yes=yes)
    last = _follow(cli, repair=repair)
    if not cli.output.json:
        _report(cli, last)
    if any(drift.found > drift.repaired for drift in last.drifts):
        raise typer.Exit(ExitCode.FAILED)


def _follow(cli: Cli, *, repair: bool) -> AuditProgress:
    last: AuditProgress | None = None
    with cli.output.progress("keys") as bar:
        for last in cli.admin.audit(repair=repair):
            bar.at(last.keys_done, last.keys_total)
            if cli.output.json:
                cli.output.line(last)
    if last is None or not last.done:
        raise Failure("the audit ended before its end")
    return last


def _report(cli: Cli, last: AuditProgress) -> None:
    cli.output.print(f"{last.keys_done:,} keys looked at")
    cli.output.print(_drifts(last) if last.drifts else "nothing disagrees")


def _drifts(last: AuditProgress) -> Table:
    made = table("DRIFT", "FOUND", "REPAIRED", "SUCH AS", right=("FOUND", "REPAIRED"))
    made.columns[0].no_wrap = True
    for drift in last.drifts:
        samples = "\n".join(map(plain, drift.samples[:3]))
        made.add_row(drift.kind, f"{drift.found:,}", f"{drift.repaired:,}", samples)
    return made
