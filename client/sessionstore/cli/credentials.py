"""Tokens of users: from a file or standard input, since arguments show in lists of processes."""

from __future__ import annotations

import sys
from pathlib import Path

from sessionstore.cli.exits import ExitCode, Failure
from sessionstore.types import Credential

_REFRESH_TOKEN = "srt1_"  # noqa: S105  how refresh tokens begin


def read_secret(source: str) -> str:
    """The text in a file, or on standard input if it is "-".

    Raises:
        Failure: it cannot be read, or there is none.
    """
    try:
        token = (sys.stdin.read() if source == "-" else Path(source).read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"nothing can be read from {source}: {error}", ExitCode.USAGE) from error
    if not token:
        raise Failure(f"{source} is empty", ExitCode.USAGE)
    return token


def credential(session_id: str, token_source: str) -> Credential:
    """What names a session: its id, or the token in a file.

    Raises:
        Failure: it is not named exactly once.
    """
    if bool(session_id) == bool(token_source):
        raise Failure("name the session, or a file with its token by --token", ExitCode.USAGE)
    if session_id:
        return Credential(session_id=session_id)
    token = read_secret(token_source)
    if token.startswith(_REFRESH_TOKEN):
        return Credential(refresh_token=token)
    return Credential(access_token=token)
