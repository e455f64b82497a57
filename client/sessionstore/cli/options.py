"""Arguments and options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

SessionId = Annotated[str, typer.Argument(help="The session's id.", metavar="SESSION")]
AnySessionId = Annotated[
    str, typer.Argument(help="The session's id.", metavar="[SESSION]", show_default=False)
]
TokenFile = Annotated[
    str,
    typer.Option("--token", help='A file with its token instead; "-" for stdin.', metavar="FILE"),
]
UserId = Annotated[str, typer.Argument(help="The user's id.", metavar="USER")]
RequestId = Annotated[
    str, typer.Option(help="Of an earlier call, to repeat just that.", metavar="ID")
]
UserAgent = Annotated[str, typer.Option(help="The User-Agent header.", metavar="TEXT")]
IpAddress = Annotated[str, typer.Option(help="Where the user came from.", metavar="ADDRESS")]
DeviceName = Annotated[str, typer.Option(help="A name for lists of devices.", metavar="TEXT")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
