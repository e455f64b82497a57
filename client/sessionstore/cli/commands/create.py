"""`sessionctl create`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from sessionstore.cli.command import Cli
from sessionstore.cli.durations import parse_duration
from sessionstore.cli.exits import ExitCode, Failure
from sessionstore.cli.options import DeviceName, IpAddress, RequestId, UserAgent, UserId
from sessionstore.cli.tables import session_fields, session_table
from sessionstore.cli.tokens import token_lines
from sessionstore.types import ClientInfo


def create(
    cli: Cli,
    user: UserId,
    *,
    profile: Annotated[str, typer.Option(help="The policy.", metavar="NAME")] = "",
    user_agent: UserAgent = "",
    ip_address: IpAddress = "",
    device_id: Annotated[
        str, typer.Option(help="Replaces the session of the same device.", metavar="ID")
    ] = "",
    device_name: DeviceName = "",
    attributes: Annotated[
        list[str] | None,
        typer.Option("--attribute", help="Kept with it; more than once.", metavar="KEY=VALUE"),
    ] = None,
    audience: Annotated[
        list[str] | None,
        typer.Option(help="Of its access tokens; more than once.", metavar="TEXT"),
    ] = None,
    idle_lifetime: Annotated[
        str, typer.Option(help="Shorter than the profile's, as in 30m.", metavar="DURATION")
    ] = "",
    absolute_lifetime: Annotated[
        str, typer.Option(help="Shorter than the profile's, as in 12h.", metavar="DURATION")
    ] = "",
    replaces: Annotated[str, typer.Option(help="Ends this session.", metavar="SESSION")] = "",
    request_id: RequestId = "",
) -> None:
    """Create a session of a user, and print its tokens.

    At the cap the oldest session makes room.
    """
    created = cli.sessions.create(
        user,
        profile=profile,
        client=ClientInfo(
            user_agent=user_agent,
            ip_address=ip_address,
            device_id=device_id,
            device_name=device_name,
        ),
        attributes=_pairs(attributes or ()),
        audience=audience or (),
        idle_lifetime=_duration(idle_lifetime),
        absolute_lifetime=_duration(absolute_lifetime),
        replaces_session_id=replaces,
        request_id=request_id,
    )
    evicted = created.evicted_sessions
    made_room = ("\nmade room:", session_table(evicted)) if evicted else ()
    cli.output.show(
        created, session_fields(created.session), *made_room, *token_lines(created.tokens)
    )


def _duration(text: str) -> timedelta | None:
    return parse_duration(text) if text else None


def _pairs(texts: list[str] | tuple[()]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise Failure(f"{text!r} is no KEY=VALUE", ExitCode.USAGE)
        pairs[key] = value
    return pairs
