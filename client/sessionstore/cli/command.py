"""What every command has: shared settings, clients, output, and an end with an exit code."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import cached_property, wraps
from typing import Annotated, Any, get_type_hints

import typer

from sessionstore import AdminClient, SessionClient, SessionStoreError
from sessionstore.cli import contexts
from sessionstore.cli.connection import Connection, of_environment, open_client, resolve
from sessionstore.cli.exits import ExitCode, Failure, code_of, sentence_of
from sessionstore.cli.output import Format, Output


def _connection(about: str, metavar: str, **more: Any) -> Any:
    """An option that says how to reach the service."""
    return typer.Option(help=about, metavar=metavar, rich_help_panel="Connection", **more)


def _shared(
    *,
    address: Annotated[
        str, _connection("Where the service is, host:port; SESSIONSTORE_ADDRESS.", "TARGET")
    ] = "",
    token_file: Annotated[
        str, _connection("A file with the service token; SESSIONSTORE_TOKEN_FILE.", "FILE")
    ] = "",
    ca_file: Annotated[
        str, _connection("Certificates to trust, PEM; SESSIONSTORE_CA_FILE.", "FILE")
    ] = "",
    cert_file: Annotated[
        str,
        _connection(
            "Certificate to show, PEM, instead of a token; SESSIONSTORE_CERT_FILE.", "FILE"
        ),
    ] = "",
    key_file: Annotated[str, _connection("Its key, PEM; SESSIONSTORE_KEY_FILE.", "FILE")] = "",
    plaintext: Annotated[
        bool,
        typer.Option(
            "--plaintext",
            help="No TLS to another machine, on purpose; SESSIONSTORE_PLAINTEXT=1.",
            rich_help_panel="Connection",
        ),
    ] = False,
    timeout: Annotated[
        float,
        _connection(
            "Seconds that a call may take, 30 by default; SESSIONSTORE_TIMEOUT.",
            "SECONDS",
            show_default=False,
            min=0,
        ),
    ] = 0.0,
    context: Annotated[
        str,
        _connection(
            "The saved context to use; SESSIONSTORE_CONTEXT.",
            "NAME",
            autocompletion=contexts.completions,
        ),
    ] = "",
    output: Annotated[
        Format,
        typer.Option("--output", "-o", help="For people or for programs."),
    ] = Format.TABLE,
) -> Cli:
    flags = Connection(
        address=address,
        token_file=token_file,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        plaintext=plaintext,
        timeout=timeout,
    )
    return Cli(flags, context, Output(output))


class Cli:
    """What a command has at hand."""

    def __init__(self, flags: Connection, context: str, output: Output) -> None:
        self.flags = flags
        self.output = output
        self._context = context or os.environ.get("SESSIONSTORE_CONTEXT", "")
        self._opened = ExitStack()

    @property
    def given(self) -> list[str]:
        """The connection's options as they were given, for a command to the same place."""
        options = {**asdict(self.flags), "context": self._context}
        words = []
        for name, value in options.items():
            if value:
                words.append(f"--{name.replace('_', '-')}")
                words += [] if value is True else [str(value)]
        return words

    @cached_property
    def connection(self) -> Connection:
        """Which service this command talks to."""
        saved = contexts.load()
        return resolve(
            self.flags,
            of_environment(),
            named=saved.get(self._context) if self._context else None,
            current=saved.get(saved.current) if saved.current else None,
        )

    @cached_property
    def sessions(self) -> SessionClient:
        """A client of SessionService."""
        return self._opened.enter_context(open_client(SessionClient, self.connection))

    @cached_property
    def admin(self) -> AdminClient:
        """A client of AdminService."""
        return self._opened.enter_context(open_client(AdminClient, self.connection))

    def close(self) -> None:
        """Close the clients that were used."""
        self._opened.close()


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a command of a function that takes a `Cli` first.

    It gets the shared options behind its own, and what it raises becomes one sentence on stderr and
    an exit code.
    """

    @wraps(function)
    def run(**options: Any) -> None:
        shared = {name: options.pop(name) for name in _SHARED}
        cli = _shared(**shared)
        try:
            function(cli, **options)
        except SessionStoreError as error:
            _end(cli, sentence_of(error), code_of(error))
        except Failure as error:
            _end(cli, str(error), error.code)
        except BrokenPipeError:  # whoever reads has enough, as `head` does
            raise
        except OSError as error:
            _end(cli, f"{error.filename or 'a file'}: {error.strerror}", ExitCode.FAILED)
        except KeyboardInterrupt:
            _end(cli, "interrupted", ExitCode.INTERRUPTED)
        finally:
            cli.close()

    own = list(_parameters(function).values())[1:]
    everything = [*own, *_SHARED.values()]
    run.__dict__["__signature__"] = inspect.Signature(everything, return_annotation=None)
    run.__annotations__ = {each.name: each.annotation for each in everything}
    run.__doc__ = _unwrapped(inspect.getdoc(function) or "")
    return run


def _unwrapped(text: str) -> str:
    """A line for each paragraph: Typer keeps line ends, on a terminal of any width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _end(cli: Cli, sentence: str, code: int) -> None:
    cli.output.note(f"sessionctl: {sentence}")
    raise typer.Exit(code)


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """A function's parameters by keyword, with their annotations evaluated where it was written."""
    hints = get_type_hints(function, include_extras=True)
    return {
        name: each.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, each in inspect.signature(function).parameters.items()
    }


_SHARED = _parameters(_shared)
