"""`sessionctl demo`."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from sessionstore._endpoint import stays_on_this_machine
from sessionstore.cli.command import Cli
from sessionstore.cli.exits import ExitCode, Failure
from sessionstore.cli.story import Story


def demo(
    cli: Cli,
    *,
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Also on a server of another machine.")
    ] = False,
) -> None:
    """Tell what a session service does, on a running development server, in about half a minute.

    Eleven logins, an eviction, refreshes that keep the id, a stolen token, a revocation: all of a
    user of its own, who is deleted in the end.
    """
    if not (anywhere or stays_on_this_machine(cli.connection.address)):
        message = f"{cli.connection.address} is another machine: say --anywhere to do it there"
        raise Failure(message, ExitCode.USAGE)
    user = f"demo-{secrets.token_hex(4)}"
    story = Story(cli.sessions, cli.admin, user, cli.output)
    try:
        story.tell()
    finally:
        story.clean_up()
