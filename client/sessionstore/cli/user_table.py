"""Users and how many sessions they hold."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from sessionstore.admin_types import UserSessions
from sessionstore.cli.durations import ago
from sessionstore.cli.tables import plain, table


def user_table(users: Iterable[UserSessions]) -> Table:
    """Users, a line each."""
    made = table("USER", "LIVE", "ENDED", "NEWEST", whole=("NEWEST",), right=("LIVE", "ENDED"))
    for user in users:
        made.add_row(
            plain(user.user_id),
            f"{user.live_sessions:,}",
            f"{user.ended_sessions:,}",
            ago(user.newest_time),
        )
    return made
