"""The commands of sessionctl, in the order in which help lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from sessionstore._version import __version__
from sessionstore.cli.command import command
from sessionstore.cli.commands import context, jobs, keys
from sessionstore.cli.commands.adopt import adopt
from sessionstore.cli.commands.audit import audit
from sessionstore.cli.commands.create import create
from sessionstore.cli.commands.delete_user import delete_user
from sessionstore.cli.commands.demo import demo
from sessionstore.cli.commands.explain import explain
from sessionstore.cli.commands.export import export
from sessionstore.cli.commands.import_ import import_
from sessionstore.cli.commands.list_ import list_
from sessionstore.cli.commands.purge import purge
from sessionstore.cli.commands.recent import recent
from sessionstore.cli.commands.refresh import refresh
from sessionstore.cli.commands.revoke import revoke
from sessionstore.cli.commands.revoke_user import revoke_user
from sessionstore.cli.commands.show import show
from sessionstore.cli.commands.stats import stats
from sessionstore.cli.commands.users import users
from sessionstore.cli.commands.validate import validate
from sessionstore.cli.commands.watch import watch
from sessionstore.cli.exits import MEANINGS

_EXIT_CODES = "Exit codes: " + "; ".join(f"{code.value} {text}" for code, text in MEANINGS.items())

app = typer.Typer(
    name="sessionctl",
    help="Look at, create and end the sessions of a session service, and keep its store clean.",
    epilog=f"{_EXIT_CODES}.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(panel: str, **functions: Callable[..., None]) -> None:
    for name, function in functions.items():
        app.command(_spelled(name), rich_help_panel=panel)(command(function))


def _add_group(name: str, about: str, **functions: Callable[..., None]) -> None:
    group = typer.Typer(help=about, no_args_is_help=True)
    for each, function in functions.items():
        group.command(_spelled(each))(command(function))
    app.add_typer(group, name=name, rich_help_panel="Run the service")


def _spelled(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


_add("Look", stats=stats, recent=recent, users=users, list=list_, show=show, explain=explain)
_add("Look", watch=watch)
_add("Act for a user", create=create, refresh=refresh, validate=validate, revoke=revoke)
_add("Act for a user", revoke_user=revoke_user, delete_user=delete_user)
_add("Move from and to other systems", import_=import_, export=export, adopt=adopt)
_add("Run the service", purge=purge, audit=audit)
_add_group(
    "jobs",
    "The background jobs of the fleet: what they do and did.",
    list=jobs.list_jobs,
    run=jobs.run_job,
)
_add_group("keys", "The keys of access tokens.", show=keys.show_keys, rotate=keys.rotate_key)
_add_group(
    "context",
    "Saved connections: where a service is, and which file holds the token for it.",
    save=context.save_context,
    use=context.use_context,
    list=context.list_contexts,
    show=context.show_context,
    delete=context.delete_context,
)
_add("Run the service", demo=demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sessionctl {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    """Nothing: commands do it all."""
