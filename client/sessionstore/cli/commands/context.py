"""`sessionctl context`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sessionstore.cli import contexts
from sessionstore.cli.command import Cli
from sessionstore.cli.connection import Connection
from sessionstore.cli.exits import ExitCode, Failure
from sessionstore.cli.tables import fields, table

Name = Annotated[str, typer.Argument(help="The context.", metavar="NAME")]
Known = Annotated[
    str, typer.Argument(help="The context.", metavar="NAME", autocompletion=contexts.completions)
]


def save_context(cli: Cli, name: Name) -> None:
    """Save the connection that the options name. The first one saved is used from then on.

    What is kept is where the files are, never a token or key.
    """
    if not (cli.flags.address and (cli.flags.token_file or cli.flags.cert_file)):
        raise Failure("a context needs --address, and --token-file or --cert-file", ExitCode.USAGE)
    saved = contexts.load()
    saved.by_name[name] = _anywhere(cli.flags)
    saved.current = saved.current or name
    contexts.save(saved)
    _tell(cli, name, saved)


def use_context(cli: Cli, name: Known) -> None:
    """Use this context wherever no other and no address is named."""
    saved = contexts.load()
    saved.get(name)
    saved.current = name
    contexts.save(saved)
    _tell(cli, name, saved)


def list_contexts(cli: Cli) -> None:
    """List the saved contexts."""
    saved = contexts.load()
    made = table("", "CONTEXT", "ADDRESS", "TOKEN FILE")
    for name, each in sorted(saved.by_name.items()):
        made.add_row("*" if name == saved.current else "", name, each.address, each.token_file)
    listed = [_described(name, saved) for name in sorted(saved.by_name)]
    cli.output.show({"contexts": listed}, made)


def show_context(
    cli: Cli,
    name: Annotated[
        str,
        typer.Argument(
            help="The context; the current one if none.",
            metavar="[NAME]",
            autocompletion=contexts.completions,
        ),
    ] = "",
) -> None:
    """Show a context."""
    saved = contexts.load()
    if not (name or saved.current):
        raise Failure("no context is in use", ExitCode.NOT_FOUND)
    _tell(cli, name or saved.current, saved)


def delete_context(cli: Cli, name: Known) -> None:
    """Delete a context; the token file stays."""
    saved = contexts.load()
    saved.get(name)
    described = _described(name, saved)
    del saved.by_name[name]
    if saved.current == name:
        saved.current = ""
    contexts.save(saved)
    cli.output.show(described, f"{name} is deleted")


def _anywhere(connection: Connection) -> Connection:
    return replace(
        connection,
        token_file=_absolute(connection.token_file),
        ca_file=_absolute(connection.ca_file),
        cert_file=_absolute(connection.cert_file),
        key_file=_absolute(connection.key_file),
    )


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""


def _described(name: str, saved: contexts.Contexts) -> dict[str, Any]:
    return {"name": name, "current": name == saved.current, **asdict(saved.get(name))}


def _tell(cli: Cli, name: str, saved: contexts.Contexts) -> None:
    described = _described(name, saved)
    shown = {**described, "current": "yes" if described["current"] else "no"}
    cli.output.show(
        described, fields((key.replace("_", " "), str(value or "")) for key, value in shown.items())
    )
