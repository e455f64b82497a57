"""sessionctl, the command line for operators (extra `[cli]`)."""

from __future__ import annotations

import sys
from io import TextIOWrapper

_NEEDED = {"typer", "rich"}


def main() -> None:
    """Run sessionctl; say what to install where the extra is missing."""
    try:
        from sessionstore.cli.app import app  # noqa: PLC0415  a base install has no typer
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        sys.exit("sessionctl: typer and rich are missing: pip install 'sessionstore[cli]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # What the terminal's encoding lacks is shown by its number.
            stream.reconfigure(errors="backslashreplace")
    app()
