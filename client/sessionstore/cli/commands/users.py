"""`sessionctl users`."""

from __future__ import annotations

from sessionstore.cli.command import Cli
from sessionstore.cli.paging import Limit, first
from sessionstore.cli.user_table import user_table


def users(cli: Cli, *, limit: Limit = 50) -> None:
    """Show the users with the most live sessions."""
    found = first(limit, lambda size: cli.admin.users(page_size=size))
    cli.output.show({"users": found}, user_table(found))
