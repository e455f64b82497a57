"""`sessionctl list`."""

from __future__ import annotations

from typing import Annotated

import typer

from sessionstore.cli.command import Cli
from sessionstore.cli.options import UserId
from sessionstore.cli.paging import Limit, first
from sessionstore.cli.tables import session_table
from sessionstore.types import State


def list_(
    cli: Cli,
    user: UserId,
    *,
    states: Annotated[
        list[State] | None, typer.Option("--state", help="Only in this state; more than once.")
    ] = None,
    limit: Limit = 200,
) -> None:
    """List the sessions of a user: those not ended first, newest first, then the ended ones."""
    found = first(limit, lambda size: cli.sessions.list(user, states=states or (), page_size=size))
    cli.output.show({"sessions": found}, session_table(found, users=False))
