"""Runs the race and fault tests for many rounds and records what came of it in bench/RESULTS.md.

    ROUNDS=200 python bench/record_soak.py [FILE ...]

With files, only their tests run, and only their rows are replaced. What it prints is pytest's. It
exits with 1, and records nothing, if a test fails or fewer rounds ran than were asked for.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from results import MADE, RESULTS, environment, update_section

ROOT: Final = Path(__file__).resolve().parent.parent
DEFAULT_ROUNDS: Final = 200
COMMAND: Final = ("-m", "pytest", "-m", "soak", "-s")
TESTS: Final = "tests/faults"
MOST_SHARED: Final = 4
"""A test of long rounds may play one for so many that were asked for."""

_ABOUT: Final = (
    "Races, lost replies and faults over real servers and engines: see"
    " [docs/testing.md](../docs/testing.md)."
)
_LINE: Final = re.compile(
    # The helper `rounds` of tests/conftest.py prints ahead of it, on the same line.
    r"(?:^|\brounds: \d+ )(?P<name>[^:]+): (?P<told>rounds=\d+(?: \w+=\S+)+)\s*$"
)
_NEEDED: Final = frozenset({"rounds", "calls", "violations", "seconds"})
_PASSED: Final = re.compile(r"^=+ .*\b(?P<passed>\d+) passed.* in [\d.]+s")


@dataclass(frozen=True)
class Row:
    """What one test came to."""

    name: str
    told: Mapping[str, str]
    """What it said of itself, by what it calls it."""
    commit: str

    @property
    def rounds(self) -> int:
        """How many ran."""
        return int(self.told["rounds"])

    @property
    def violations(self) -> int:
        """Of any invariant."""
        return int(self.told["violations"])

    def cell(self, figure: str) -> str:
        """As a table shows it; empty if the test does not have it."""
        if figure == "name":
            return self.name.replace("_", " ")
        return self.commit if figure == "commit" else self.told.get(figure, "").replace(",", ", ")


@dataclass(frozen=True)
class Table:
    """Rows of one kind."""

    columns: Mapping[str, str]
    """The heading of each figure."""
    legend: str

    @property
    def head(self) -> str:
        """Its first line, which no other table has."""
        return f"| {' | '.join(self.columns.values())} |"

    def lines(self, rows: Iterable[Row]) -> list[str]:
        """In Markdown."""
        edges = ["---" if name in ("name", "failed", "commit") else "---:" for name in self.columns]
        body = [f"| {' | '.join(map(row.cell, self.columns))} |" for row in rows]
        return [self.legend, "", self.head, f"|{'|'.join(edges)}|", *body]

    def row(self, line: str) -> Row:
        """The one that a line shows."""
        cells = [cell.strip() for cell in line.strip("|\n ").split("|")]
        shown = dict(zip(self.columns, cells, strict=True))
        name, commit = shown.pop("name").replace(" ", "_"), shown.pop("commit")
        told = {figure: cell.replace(", ", ",") for figure, cell in shown.items() if cell}
        return Row(name, told, commit)


RACES: Final = Table(
    {
        "name": "test",
        "rounds": "rounds",
        "calls": "calls",
        "violations": "violations",
        "seconds": "duration, s",
        "held": "held",
        "void": "void",
        "outage": "outage, s",
        "latest": "latest, s",
        "commit": "commit",
    },
    "Rows of another commit stand as an earlier run recorded them. Held: rounds in which each call"
    " had to be answered within 100 ms after its deadline. Outage: the longest time from the"
    " healing to a Validate that works, or to all verifiers knowing all. Latest: the longest time"
    " from an acknowledged revoke to a verifier that still took a token of the session; its bound"
    " is 2 s.",
)
PRODUCTION: Final = Table(
    {
        "name": "test",
        "rounds": "rounds",
        "calls": "calls",
        "failed": "failed",
        "operators": "operators' calls",
        "refused": "of them failed",
        "unserved": "unserved, s",
        "outage": "outage, s",
        "undone": "undone",
        "seen": "seen",
        "undone_s": "undone for, s",
        "violations": "violations",
        "seconds": "duration, s",
        "held": "held",
        "void": "void",
        "commit": "commit",
    },
    "In the shape of production. Failed: calls, by status, neither cancelled nor refused by the"
    " rules; those of operators are counted apart. Unserved: the longest time for which a user got"
    " nothing but errors, the engines' own failover included. Outage: the longest time from there"
    " on until every server reached all of the store. Undone: acknowledged endings that failovers"
    " had undone and servers did again; undone for: the longest time from the new primary to the"
    " last of them. Seen: sessions that somebody found live meanwhile, those included that a caller"
    " then ended once more. Held: as above; not where the SDK calls: it ends calls itself, and none"
    " failed.",
)
TABLES: Final = (RACES, PRODUCTION)


@dataclass(frozen=True)
class Run:
    """What pytest told."""

    rows: tuple[Row, ...]
    passed: int
    status: int


class UnfitError(Exception):
    """The run must not be recorded."""


def main() -> None:
    """Run, then record."""
    rounds = int(os.environ.get("ROUNDS") or DEFAULT_ROUNDS)
    run = soak(rounds)
    try:
        accept(run, rounds)
    except UnfitError as error:
        sys.exit(f"record_soak: not recorded: {error}")
    update_section("Soak", report(run))
    print("recorded in bench/RESULTS.md")


def soak(rounds: int) -> Run:
    """Run the tests, let their output through, and read their results from it."""
    rows: list[Row] = []
    passed = 0
    with subprocess.Popen(
        [sys.executable, *COMMAND, *(sys.argv[1:] or [TESTS])],
        cwd=ROOT,
        env=os.environ | {"ROUNDS": str(rounds)},
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if row := parsed(line):
                rows.append(row)
            if summary := _PASSED.search(line):
                passed = int(summary["passed"])
    return Run(tuple(rows), passed, process.returncode)


def parsed(line: str) -> Row | None:
    """The result that a line of output tells, if any."""
    found = _LINE.search(line)
    if not found:
        return None
    told = dict(pair.split("=", 1) for pair in found["told"].split())
    return Row(found["name"], told, MADE) if told.keys() >= _NEEDED else None


def accept(run: Run, rounds: int) -> None:
    """See that the run is what was asked for.

    Raises:
        UnfitError: it is not.
    """
    if run.status:
        raise UnfitError(f"pytest exited with {run.status}")
    if not run.rows:
        raise UnfitError("no test told of its rounds")
    if run.passed != len(run.rows):
        raise UnfitError(f"{run.passed} tests passed and {len(run.rows)} told of their rounds")
    for row in run.rows:
        if row.rounds < rounds // MOST_SHARED:
            raise UnfitError(f"{row.name} ran {row.rounds} rounds of {rounds}")
        if row.violations:
            raise UnfitError(f"{row.name} had {row.violations} violations")


def report(run: Run) -> str:
    """The section's text: the rows of this run, and those of other tests that stand there."""
    rows = {row.name: row for row in (*recorded(), *run.rows)}.values()
    chaos = [row for row in rows if "outage" in row.told]
    production = [row for row in rows if "unserved" in row.told]
    others = [row for row in rows if "unserved" not in row.told]
    return "\n".join(
        (
            _ABOUT,
            "",
            (
                f"In all {_sum(rows, 'rounds')} rounds, {_sum(chaos, 'rounds')} of them of"
                f" chaos, and {_sum(rows, 'calls')} calls; violations: {_sum(rows, 'violations')}."
            ),
            "",
            *environment(command()),
            "",
            *RACES.lines(others),
            "",
            *PRODUCTION.lines(production),
        )
    )


def command() -> str:
    """How this run was started."""
    if sys.argv[1:]:
        return f"python bench/record_soak.py {' '.join(sys.argv[1:])}"
    return "make soak"


def _sum(rows: Iterable[Row], figure: str) -> str:
    return f"{sum(int(row.told[figure]) for row in rows):,}"


def recorded() -> list[Row]:
    """The rows that stand in the section."""
    found: list[Row] = []
    table: Table | None = None
    for line in RESULTS.read_text().splitlines() if RESULTS.exists() else ():
        if not line.startswith("|"):
            table = None
        elif table is None:
            table = next((each for each in TABLES if each.head == line), None)
        elif not line.startswith("|--"):
            found.append(table.row(line))
    return found


if __name__ == "__main__":
    main()
