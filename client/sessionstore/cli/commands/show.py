"""`sessionctl show`."""

from __future__ import annotations

from sessionstore.cli.command import Cli
from sessionstore.cli.options import SessionId
from sessionstore.cli.tables import session_fields


def show(cli: Cli, session: SessionId) -> None:
    """Show a session in full: live, ended and still kept, or expired within the hour.

    Exits with 3 if there is none.
    """
    found = cli.sessions.get(session)
    cli.output.show(found, session_fields(found))
