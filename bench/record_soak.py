"""Runs the race and fault tests for many rounds and records what came of it in bench/RESULTS.md.

    ROUNDS=200 python bench/record_soak.py

What it prints is pytest's. It exits with 1, and records nothing, if a test fails or fewer rounds
ran than were asked for.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from results import environment, update_section
from sessiond.store import embedded_host

ROOT: Final = Path(__file__).resolve().parent.parent
DEFAULT_ROUNDS: Final = 200
COMMAND: Final = ("-m", "pytest", "tests/faults", "-m", "soak", "-s")

_LINE: Final = re.compile(
    # The helper `rounds` of tests/conftest.py prints ahead of it, on the same line.
    r"(?:^|\brounds: \d+ )(?P<name>[^:]+): rounds=(?P<rounds>\d+) calls=(?P<calls>\d+)"
    r" violations=(?P<violations>\d+) seconds=(?P<seconds>[\d.]+)\s*$"
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
    # Ahead of the run: it is what the run is of, and the tree may change meanwhile.
    about = [*environment("make soak"), f"- engine: {engine()}"]
    run = soak(rounds)
    try:
        accept(run, rounds)
    except UnfitError as error:
        sys.exit(f"record_soak: not recorded: {error}")
    update_section("Soak", report(run, rounds, about))
    print("recorded in bench/RESULTS.md")


def soak(rounds: int) -> Run:
    """Run the tests, let their output through, and read their results from it."""
    rows: list[Row] = []
    passed = 0
    with subprocess.Popen(
        [sys.executable, *COMMAND],
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
        if row.rounds < rounds:
            raise UnfitError(f"{row.name} ran {row.rounds} rounds of {rounds}")
        if row.violations:
            raise UnfitError(f"{row.name} had {row.violations} violations")


def report(run: Run, rounds: int, about: list[str]) -> str:
    """The section's text."""
    minutes = sum(row.seconds for row in run.rows) / 60
    lines = [
        "Races and lost replies over a real `sessiond` and engine: no violation in any round.",
        "",
        *about,
        f"- {rounds} rounds of each test, {minutes:.0f} min in all",
        "",
        "| test | rounds | calls | violations | duration, s |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.name.replace('_', ' ')} | {row.rounds} | {row.calls} | {row.violations}"
        f" | {row.seconds:.1f} |"
        for row in run.rows
    ]
    return "\n".join(lines)


def engine() -> str:
    """What the tests keep sessions in."""
    command = [str(embedded_host.engine_binary()), "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\S+)", told)
    return f"Valkey {found[1]}" if found else told.strip()


if __name__ == "__main__":
    main()
