"""The address that workers share."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sessiond.address import bound_socket


@contextmanager
def shared_port(listen: str) -> Iterator[str]:
    """Hold an address for workers; gives it with the port that was picked.

    Nobody connects to the socket that holds it: it does not listen. Each worker listens with one of
    its own, and the kernel spreads connections over them (SO_REUSEPORT, socket(7)).

    Raises:
        StartupError: the address cannot be had.
    """
    with bound_socket(listen) as holder:
        # Only now: with it, we would get the port of another server of this user.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield f"{listen.rpartition(':')[0]}:{holder.getsockname()[1]}"
