"""Where a backend's own service token comes from. No message here ever shows one."""

from __future__ import annotations

import re
from collections.abc import Callable
from os import PathLike, environ
from pathlib import Path

from sessionstore._renewed import Renewed

TokenSource = Callable[[], str]

# Visible ASCII: all that a header can carry (RFC 9110, 5.5).
_SENDABLE = re.compile(r"[\x21-\x7e]+")


def token_source(
    token: str | TokenSource | None,
    token_file: str | PathLike[str] | None,
    *,
    needed: bool = True,
    environment: bool = True,
) -> TokenSource | None:
    """The source that the arguments or else, if it is asked, the environment name.

    A token goes before a file.

    None if there is none, and none is needed.

    Raises:
        TypeError: a token and a token file.
        ValueError: neither, or the token is empty or no header can carry it.
        OSError: the file cannot be read.
    """
    if token is not None and token_file is not None:
        raise TypeError("give a token or a token_file, not both")
    if token is None and token_file is None and environment:
        token = environ.get("SESSIONSTORE_TOKEN") or None
        token_file = environ.get("SESSIONSTORE_TOKEN_FILE") or None
    if callable(token):
        return token
    if token is not None:
        fixed = checked(token)
        return lambda: fixed
    if token_file is not None:
        path = Path(token_file)
        return Renewed((path,), lambda: checked(path.read_text(encoding="utf-8").strip()))
    if not needed:
        return None
    raise ValueError(
        "no service token: give token or token_file, "
        "or set SESSIONSTORE_TOKEN or SESSIONSTORE_TOKEN_FILE"
    )


def checked(token: str) -> str:
    """The token, if a header can carry it: gRPC's own complaint would log it."""
    if not isinstance(token, str) or not _SENDABLE.fullmatch(token):
        raise ValueError("the service token is empty or not visible ASCII")
    return token
