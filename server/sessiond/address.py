"""Addresses to listen on."""

from __future__ import annotations

import socket
from typing import Final

from sessiond.domain.errors import StartupError

_MOST: Final = 65_535


def bound_socket(listen: str) -> socket.socket:
    """A socket on `HOST:PORT` that does not listen yet.

    Raises:
        StartupError: the address cannot be had, for instance because somebody listens there.
    """
    host, _, port = listen.rpartition(":")
    try:
        if int(port) > _MOST:  # getaddrinfo(3) would take the rest of it by 65536
            raise StartupError(f"cannot listen on {listen}: a port is at most {_MOST}")
        infos = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = infos[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except BaseException:
            bound.close()
            raise
    except ValueError:
        raise StartupError(f"cannot listen on {listen}: give an address and a port") from None
    except OSError as error:
        raise StartupError(f"cannot listen on {listen}: {error.strerror}") from None
    return bound
