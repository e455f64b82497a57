"""`sessionctl revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from sessionstore.cli.command import Cli
from sessionstore.cli.credentials import credential
from sessionstore.cli.exits import ExitCode, Failure
from sessionstore.cli.options import AnySessionId, TokenFile
from sessionstore.cli.tables import confirmation, session_fields
from sessionstore.types import EndReason


def revoke(
    cli: Cli,
    session: AnySessionId = "",
    *,
    token: TokenFile = "",
    reason: Annotated[
        EndReason, typer.Option(help="LOGOUT, REVOKED or REVOKED_BY_ADMIN.", metavar="REASON")
    ] = EndReason.REVOKED_BY_ADMIN,
) -> None:
    """End a session, by its id or by a file with its refresh token.

    One that has ended already stays as it is. Exits with 3 if there is none.
    """
    named = credential(session, token)
    if named.access_token:
        raise Failure("an access token ends no session: give its refresh token", ExitCode.USAGE)
    ended = cli.sessions.revoke(
        session_id=named.session_id, refresh_token=named.refresh_token, reason=reason
    )
    if ended.session is None:
        raise Failure("there is no such session", ExitCode.NOT_FOUND)
    cli.output.show(ended, session_fields(ended.session), *confirmation(ended.replicas_confirmed))
