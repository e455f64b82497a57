"""Which service a command talks to: from flags, the environment, a saved context, or a checkout."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

from sessionstore._endpoint import TLS, stays_on_this_machine
from sessionstore.cli.exits import ExitCode, Failure

DEFAULT_TIMEOUT_S = 30.0

C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where the service is and how to call it. What is empty is not set."""

    address: str = ""
    token_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    plaintext: bool = False
    timeout: float = 0.0

    def over(self, base: Connection) -> Connection:
        """This, and the base's for what is not set here."""
        given = {name: value for name in _NAMES if (value := getattr(self, name))}
        return replace(base, **given)


_NAMES = tuple(field.name for field in fields(Connection))

# What `make run` serves, seen from the checkout.
DEVELOPMENT = Connection(address="127.0.0.1:7700", token_file=".sessiond/dev.token")  # noqa: S106


def of_environment() -> Connection:
    """What SESSIONSTORE_* name.

    Raises:
        Failure: a value that cannot be understood.
    """
    timeout = _variable("TIMEOUT")
    try:
        return Connection(
            address=_variable("ADDRESS"),
            token_file=_variable("TOKEN_FILE"),
            ca_file=_variable("CA_FILE"),
            cert_file=_variable("CERT_FILE"),
            key_file=_variable("KEY_FILE"),
            plaintext=_variable("PLAINTEXT").lower() in {"1", "true", "yes"},
            timeout=float(timeout) if timeout else 0.0,
        )
    except ValueError:
        message = f"SESSIONSTORE_TIMEOUT takes seconds, not {timeout!r}"
        raise Failure(message, ExitCode.USAGE) from None


def resolve(
    flags: Connection,
    environment: Connection,
    *,
    named: Connection | None,
    current: Connection | None,
) -> Connection:
    """The flags over one source of what they leave out.

    That is the first of: the named context, the environment, the current context, the development
    server of this checkout. None is mixed with another: no token goes to a server
    that it was not saved for.

    Raises:
        Failure: none of them names an address.
    """
    if named:
        return flags.over(named)
    if flags.address or environment.address:
        return flags.over(environment)
    if current:
        return flags.over(current)
    if flags.token_file or Path(DEVELOPMENT.token_file).is_file():
        return flags.over(DEVELOPMENT)
    raise Failure(
        "no address: give --address, set SESSIONSTORE_ADDRESS, or save one with "
        "`sessionctl context save`",
        ExitCode.USAGE,
    )


def open_client(kind: Callable[..., C], connection: Connection) -> C:
    """A client for the connection; it connects with its first call. TLS to any other machine.

    Raises:
        Failure: there is no token, or a file cannot be read.
    """
    local = stays_on_this_machine(connection.address)
    tls: bool | TLS = False
    files = (connection.ca_file, connection.cert_file, connection.key_file)
    if not connection.plaintext and (any(files) or not local):
        ca_file, cert_file, key_file = (file or None for file in files)
        tls = TLS(ca_file=ca_file, cert_file=cert_file, key_file=key_file)
    # A certificate of a context or a flag goes without a token that is of neither.
    own = connection.token_file or connection.cert_file != _variable("CERT_FILE")
    try:
        return kind(
            connection.address,
            token=None if own else _variable("TOKEN") or None,
            token_file=connection.token_file or None,
            tls=tls,
            plaintext=connection.plaintext,
            timeout=connection.timeout or DEFAULT_TIMEOUT_S,
        )
    except OSError as error:
        message = f"{error.filename} cannot be read: {error.strerror}"
        raise Failure(message, ExitCode.USAGE) from error
    except ValueError as error:
        raise Failure(str(error), ExitCode.USAGE) from error


def _variable(name: str) -> str:
    return os.environ.get(f"SESSIONSTORE_{name}", "")
