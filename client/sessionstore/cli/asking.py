"""What destroys is asked for."""

from __future__ import annotations

import sys

import typer

from sessionstore.cli.command import Cli
from sessionstore.cli.exits import ExitCode, Failure


def confirm(cli: Cli, deed: str, *, yes: bool) -> None:
    """Go on only if the operator wants this.

    Args:
        cli: of the command.
        deed: what would be done, as in "end all sessions of alice".
        yes: whether that was said beforehand.

    Raises:
        Failure: the operator does not want it, or nobody is there to be asked.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and cli.output.interactive):
        raise Failure(f"this would {deed}: say --yes", ExitCode.USAGE)
    if not typer.confirm(f"{deed[0].upper()}{deed[1:]}?", err=True):
        raise Failure("nothing was done")
