"""`sessionctl stats`."""

from __future__ import annotations

from sessionstore.cli.command import Cli


def stats(cli: Cli) -> None:
    """Say what the store holds."""
    answer = cli.admin.stats()
    cli.output.show(answer, str(answer))
