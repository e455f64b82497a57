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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from results import MADE, RESULTS, environment, update_section

ROOT: Final = Path(__file__).resolve().parent.parent
DEFAULT_ROUNDS: Final = 200
COMMAND: Final = ("-m", "pytest", "-m", "soak", "-s")
TESTS: Final = ("tests/faults", "tests/topologies")
MOST_SHARED: Final = 2
"""A test of long rounds may play one for so many that were asked for."""

_ABOUT: Final = (
    "Races, lost replies and faults over real servers and engines: see"
    " [docs/testing.md](../docs/testing.md)."
)
_COLUMNS: Final = (
    "Rows of another commit stand as an earlier run recorded them. Held: rounds in which each call"
    " had to be answered within 100 ms after its deadline. Outage: the longest time from the"
    " healing to a Validate that works, or to all verifiers knowing all. Latest: the longest time"
    " from an acknowledged revoke to a verifier that still took a token of the session; its bound"
    " is 2 s."
)
_LINE: Final = re.compile(
    # The helper `rounds` of tests/conftest.py prints ahead of it, on the same line.
    r"(?:^|\brounds: \d+ )(?P<name>[^:]+): rounds=(?P<rounds>\d+) calls=(?P<calls>\d+)"
    r" violations=(?P<violations>\d+) seconds=(?P<seconds>[\d.]+)"
    r"(?: held=(?P<held>\d+))?(?: void=(?P<void>\d+))?(?: outage=(?P<outage>[\d.]+))?"
    r"(?: latest=(?P<latest>[\d.]+))?\s*$"
)
_RECORDED: Final = re.compile(
    r"^\| ([^|]+?) \| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) \| (\d*) ?\| (\d*) ?\| ([\d.]*) ?"
    r"\| ([\d.]*) ?\| ([0-9a-f]+(?:-dirty)?) \|$"
)
_PASSED: Final = re.compile(r"^=+ .*\b(?P<passed>\d+) passed.* in [\d.]+s")


@dataclass(frozen=True)
class Row:
    """What one test came to."""

    name: str
    rounds: int
    calls: int
    violations: int
    seconds: float
    held: str
    """Of chaos: rounds in which calls had to be answered in time."""
    void: str
    outage_s: str
    latest_s: str
    """Of verifiers: how long after its session's end a token was still taken, at most."""
    commit: str


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
        [sys.executable, *COMMAND, *(sys.argv[1:] or TESTS)],
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
    return Row(
        found["name"],
        int(found["rounds"]),
        int(found["calls"]),
        int(found["violations"]),
        float(found["seconds"]),
        found["held"] or "",
        found["void"] or "",
        found["outage"] or "",
        found["latest"] or "",
        MADE,
    )


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
    rows = {row.name: row for row in recorded()} | {row.name: row for row in run.rows}
    chaos = [row for row in rows.values() if row.outage_s]
    lines = [
        _ABOUT,
        "",
        (
            f"In all {_sum(rows.values(), 'rounds')} rounds, {_sum(chaos, 'rounds')} of them of"
            f" chaos, and {_sum(rows.values(), 'calls')} calls; violations:"
            f" {_sum(rows.values(), 'violations')}."
        ),
        "",
        *environment(command()),
        "",
        _COLUMNS,
        "",
        (
            "| test | rounds | calls | violations | duration, s | held | void | outage, s"
            " | latest, s | commit |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| {row.name.replace('_', ' ')} | {row.rounds} | {row.calls} | {row.violations}"
        f" | {row.seconds:.1f} | {row.held} | {row.void} | {row.outage_s} | {row.latest_s}"
        f" | {row.commit} |"
        for row in rows.values()
    ]
    return "\n".join(lines)


def command() -> str:
    """How this run was started."""
    if sys.argv[1:]:
        return f"python bench/record_soak.py {' '.join(sys.argv[1:])}"
    return "make soak"


def _sum(rows: Iterable[Row], figure: str) -> str:
    return f"{sum(getattr(row, figure) for row in rows):,}"


def recorded() -> list[Row]:
    """The rows that stand in the section."""
    found = []
    for line in RESULTS.read_text().splitlines() if RESULTS.exists() else ():
        if match := _RECORDED.match(line):
            name, rounds, calls, violations, seconds, *more = match.groups()
            numbers = (int(rounds), int(calls), int(violations), float(seconds))
            found.append(Row(name.replace(" ", "_"), *numbers, *more))
    return found


if __name__ == "__main__":
    main()
