"""`sessionctl recent`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from sessionstore.cli.command import Cli
from sessionstore.cli.paging import Limit, first
from sessionstore.cli.tables import counted, plain, session_table, table
from sessionstore.types import Session


def recent(cli: Cli, *, limit: Limit = 30) -> None:
    """Show the sessions created last, and how many of them each user has."""
    sessions = first(limit, lambda size: cli.admin.recent(page_size=size))
    active = sum(session.active for session in sessions)
    users = _by_user(sessions)
    cli.output.show(
        {"sessions": sessions, "active": active, "users": users},
        session_table(sessions),
        f"\n{counted(len(sessions), 'session')}: {active} active, {len(sessions) - active} not\n",
        _users_table(users),
    )


def _by_user(sessions: Sequence[Session]) -> list[dict[str, Any]]:
    """How many sessions each user has among these, most first."""
    active = Counter(session.user_id for session in sessions if session.active)
    return [
        {"user_id": user, "sessions": count, "active": active[user]}
        for user, count in Counter(session.user_id for session in sessions).most_common()
    ]


def _users_table(users: Sequence[dict[str, Any]]) -> Table:
    made = table("USER", "SESSIONS", "ACTIVE", right=("SESSIONS", "ACTIVE"))
    for user in users:
        made.add_row(plain(user["user_id"]), str(user["sessions"]), str(user["active"]))
    return made
