"""The commands of sessionctl, in the order in which help lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from sessionstore._version import __version__
from sessionstore.cli.command import command
from sessionstore.cli.commands.export import export
from sessionstore.cli.commands.import_ import import_
from sessionstore.cli.commands.stats import stats
from sessionstore.cli.exits import MEANINGS

_EXIT_CODES = "Exit codes: " + "; ".join(f"{code.value} {text}" for code, text in MEANINGS.items())

app = typer.Typer(
    name="sessionctl",
    help="Look at, create and end the sessions of a session service, and keep its store clean.",
    epilog=f"{_EXIT_CODES}.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LOOK = "Look"

app.command(rich_help_panel=_LOOK)(command(stats))

_MOVE = "Move"

app.command("import", rich_help_panel=_MOVE)(command(import_))
app.command(rich_help_panel=_MOVE)(command(export))


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(f"sessionctl {__version__}")
        raise typer.Exit
