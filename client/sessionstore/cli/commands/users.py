"""`sessionctl users`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from sessionstore.cli.command import Cli
from sessionstore.cli.user_table import user_table

_LARGEST_PAGE = 200


def users(
    cli: Cli,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many users.", min=1)] = 50,
) -> None:
    """Show the users with the most live sessions."""
    most = cli.admin.users(page_size=min(limit, _LARGEST_PAGE))
    found = list(islice(most, limit))
    cli.output.show({"users": found}, user_table(found))
