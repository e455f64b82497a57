"""`sessionctl explain`."""

from __future__ import annotations

import typer
from rich.console import RenderableType

from sessionstore.admin_types import Explanation
from sessionstore.cli.command import Cli
from sessionstore.cli.credentials import credential
from sessionstore.cli.durations import when
from sessionstore.cli.exits import ExitCode
from sessionstore.cli.options import AnySessionId, TokenFile
from sessionstore.cli.tables import fields, plain


def explain(cli: Cli, session: AnySessionId = "", *, token: TokenFile = "") -> None:
    """Say why a session is or is not valid: its state, who ended it, when, for what reason.

    Nothing is changed by asking. Exits with 3 if it is not valid.
    """
    named = credential(session, token)
    answer = cli.admin.explain(
        session_id=named.session_id,
        access_token=named.access_token,
        refresh_token=named.refresh_token,
    )
    cli.output.show(answer, plain(answer.summary), "", _facts(answer))
    if answer.verdict != "ACTIVE":
        raise typer.Exit(ExitCode.NOT_FOUND)


def _facts(answer: Explanation) -> RenderableType:
    return fields(
        [
            ("verdict", answer.verdict),
            ("session", answer.session_id),
            ("user", answer.session.user_id if answer.session else ""),
            ("ended", when(answer.end_time)),
            ("reason", answer.end_reason or ""),
            ("ended by", answer.ended_by),
            (
                "access tokens",
                f"dead {when(answer.access_tokens_dead_time)}"
                if answer.access_tokens_dead_time
                else "",
            ),
            ("kept until", when(answer.forget_time)),
            ("indexed", "" if answer.indexed or not answer.session else "no: sessionctl audit"),
            ("generation", str(answer.generation or "")),
            ("of the token", str(answer.token_generation or "")),
        ]
    )
