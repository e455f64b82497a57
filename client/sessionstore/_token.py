"""Where a backend's own service token comes from. No message here ever shows one."""

from __future__ import annotations

import re
from collections.abc import Callable
from os import PathLike, environ
from pathlib import Path
from time import monotonic

TokenSource = Callable[[], str]

RECHECK_S = 1.0

# Visible ASCII: all that a header can carry (RFC 9110, 5.5).
_SENDABLE = re.compile(r"[\x21-\x7e]+")


def token_source(
    token: str | TokenSource | None, token_file: str | PathLike[str] | None
) -> TokenSource:
    """The source that the arguments or the environment name; a token before a file.

    Raises:
        TypeError: a token and a token file.
        ValueError: neither, or the token is empty or no header can carry it.
        OSError: the file cannot be read.
    """
    if token is not None and token_file is not None:
        raise TypeError("give a token or a token_file, not both")
    if token is None and token_file is None:
        token = environ.get("SESSIONSTORE_TOKEN") or None
        token_file = environ.get("SESSIONSTORE_TOKEN_FILE") or None
    if callable(token):
        return token
    if token is not None:
        fixed = checked(token)
        return lambda: fixed
    if token_file is not None:
        return _TokenFile(Path(token_file))
    raise ValueError(
        "no service token: give token or token_file, "
        "or set SESSIONSTORE_TOKEN or SESSIONSTORE_TOKEN_FILE"
    )


def checked(token: str) -> str:
    """The token, if a header can carry it: gRPC's own complaint would log it."""
    if not isinstance(token, str) or not _SENDABLE.fullmatch(token):
        raise ValueError("the service token is empty or not visible ASCII")
    return token


class _TokenFile:
    """A token in a file that somebody else renews. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = self._current_version()
        self._token = self._read()
        self._checked_at = monotonic()

    def __call__(self) -> str:
        if monotonic() - self._checked_at >= RECHECK_S:
            self._checked_at = monotonic()
            self._reread()
        return self._token

    def _reread(self) -> None:
        # While the file is being replaced it may be missing or empty: the last token still stands.
        try:
            version = self._current_version()
            if version != self._version:
                self._token = self._read()
                self._version = version
        except (OSError, ValueError):
            return

    def _read(self) -> str:
        return checked(self._path.read_text(encoding="utf-8").strip())

    def _current_version(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino
