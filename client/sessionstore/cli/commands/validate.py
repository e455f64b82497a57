"""`sessionctl validate`."""

from __future__ import annotations

from typing import Annotated

import typer

from sessionstore.cli.command import Cli
from sessionstore.cli.credentials import credential
from sessionstore.cli.exits import ExitCode
from sessionstore.cli.options import AnySessionId, TokenFile
from sessionstore.cli.tables import fields, session_fields


def validate(
    cli: Cli,
    session: AnySessionId = "",
    *,
    token: TokenFile = "",
    audience: Annotated[
        str, typer.Option(help="That an access token must be meant for.", metavar="TEXT")
    ] = "",
) -> None:
    """Ask whether a session is live, as services do.

    Exits with 3 if it is not.
    """
    named = credential(session, token)
    answer = cli.sessions.validate(
        session_id=named.session_id,
        access_token=named.access_token,
        refresh_token=named.refresh_token,
        audience=audience,
    )
    facts = fields([("verdict", answer.verdict), ("reason", answer.end_reason or "")])
    cli.output.show(answer, facts, *([session_fields(answer.session)] if answer.session else []))
    if not answer:
        raise typer.Exit(ExitCode.NOT_FOUND)
