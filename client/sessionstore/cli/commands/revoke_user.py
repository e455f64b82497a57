"""`sessionctl revoke-user`."""

from __future__ import annotations

from typing import Annotated

import typer

from sessionstore.cli.asking import confirm
from sessionstore.cli.command import Cli
from sessionstore.cli.options import RequestId, UserId, Yes
from sessionstore.cli.tables import confirmation, counted, plain
from sessionstore.types import EndReason


def revoke_user(
    cli: Cli,
    user: UserId,
    *,
    keep: Annotated[
        str, typer.Option("--except", help="The session that stays.", metavar="SESSION")
    ] = "",
    reason: Annotated[
        EndReason,
        typer.Option(help="LOGOUT, REVOKED, REVOKED_OTHERS or REVOKED_BY_ADMIN.", metavar="REASON"),
    ] = EndReason.REVOKED_BY_ADMIN,
    request_id: RequestId = "",
    yes: Yes = False,
) -> None:
    """End all live sessions of a user, or all but one."""
    which = f"all sessions of {plain(user)}" + (f" but {keep}" if keep else "")
    confirm(cli, f"end {which}", yes=yes)
    ended = cli.sessions.revoke_user(
        user, except_session_id=keep, reason=reason, request_id=request_id
    )
    cli.output.show(
        ended,
        f"{counted(len(ended.session_ids), 'session')} ended",
        *ended.session_ids,
        *confirmation(ended.replicas_confirmed),
    )
