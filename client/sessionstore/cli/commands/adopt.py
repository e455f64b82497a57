"""`sessionctl adopt`."""

from __future__ import annotations

from typing import Annotated

import typer

from sessionstore.cli.command import Cli
from sessionstore.cli.credentials import read_secret
from sessionstore.cli.options import RequestId, UserId
from sessionstore.cli.tables import session_fields
from sessionstore.cli.tokens import token_lines


def adopt(
    cli: Cli,
    user: UserId,
    external_id: Annotated[
        str,
        typer.Argument(
            help='A file with its id in the other system, which may be a secret; "-" for stdin.',
            metavar="FILE",
        ),
    ],
    *,
    request_id: RequestId = "",
) -> None:
    """Give an imported session its tokens, once, and print them."""
    adopted = cli.sessions.adopt(user, read_secret(external_id), request_id=request_id)
    cli.output.show(adopted, session_fields(adopted.session), *token_lines(adopted.tokens))
