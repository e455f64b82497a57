"""`sessionctl delete-user`."""

from __future__ import annotations

from sessionstore.cli.asking import confirm
from sessionstore.cli.command import Cli
from sessionstore.cli.options import UserId, Yes
from sessionstore.cli.tables import counted, plain


def delete_user(cli: Cli, user: UserId, *, yes: Yes = False) -> None:
    """End and erase every session of a user, history included."""
    confirm(cli, f"erase everything of {plain(user)}", yes=yes)
    deleted = cli.admin.delete_user(user)
    cli.output.show(
        deleted,
        f"{counted(deleted.ended_sessions, 'live session')} ended and erased, "
        f"{deleted.erased_sessions:,} erased that were not live",
    )
