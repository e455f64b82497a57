"""`sessionctl refresh`."""

from __future__ import annotations

from typing import Annotated

import typer

from sessionstore.cli.command import Cli
from sessionstore.cli.credentials import read_secret
from sessionstore.cli.durations import when
from sessionstore.cli.options import DeviceName, IpAddress, RequestId, UserAgent
from sessionstore.cli.tables import fields
from sessionstore.cli.tokens import token_lines
from sessionstore.types import ClientInfo


def refresh(
    cli: Cli,
    token: Annotated[
        str, typer.Argument(help='A file with the refresh token; "-" for stdin.', metavar="FILE")
    ],
    *,
    user_agent: UserAgent = "",
    ip_address: IpAddress = "",
    device_name: DeviceName = "",
    request_id: RequestId = "",
) -> None:
    """Extend a session by its refresh token, and print the fresh tokens.

    Exits with 3 if the token is of no more use. A token that was superseded ends the session.
    """
    client = ClientInfo(user_agent=user_agent, ip_address=ip_address, device_name=device_name)
    refreshed = cli.sessions.refresh(
        read_secret(token),
        client=client if client != ClientInfo() else None,
        request_id=request_id,
    )
    cli.output.show(
        refreshed,
        fields(
            [
                ("session", refreshed.session.id),
                ("outcome", refreshed.outcome),
                ("expires", when(refreshed.session.expire_time)),
                ("before", when(refreshed.previous_expire_time)),
            ]
        ),
        *token_lines(refreshed.tokens),
    )
