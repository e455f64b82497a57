"""Sockets of the ops port: TCP, or Unix."""

from __future__ import annotations

import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from sessiond.address import bound_socket
from sessiond.domain.errors import StartupError

UNIX: Final = "unix:"


def listening_socket(listen: str) -> socket.socket:
    """A socket that is bound to `HOST:PORT` or `unix:PATH`; a path has mode 600.

    Raises:
        StartupError: the address cannot be listened on.
    """
    try:
        if listen.startswith(UNIX):
            return _at_path(Path(listen.removeprefix(UNIX)))
        return bound_socket(listen)
    except OSError as error:
        raise StartupError(f"cannot listen on {listen}: {error.strerror or error}") from None


def address_of(bound: socket.socket, listen: str) -> str:
    """Where it listens, as one writes it in a setting: with the port that was picked."""
    if listen.startswith(UNIX):
        return listen
    return f"{listen.rpartition(':')[0]}:{bound.getsockname()[1]}"


def remove(listen: str) -> None:
    """Take the path of a Unix socket away."""
    if listen.startswith(UNIX):
        Path(listen.removeprefix(UNIX)).unlink(missing_ok=True)


def _at_path(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_left_over(path):
            path.unlink()
        bound.bind(str(path))
        path.chmod(0o600)  # before it listens: nobody has connected yet
    except BaseException:
        bound.close()
        raise
    return bound


def _is_left_over(path: Path) -> bool:
    """Whether it is a socket on which nobody listens any more."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
                return attempt.connect_ex(str(path)) != 0
    return False
