"""Connections that count."""

from __future__ import annotations

from typing import Any

from redis.asyncio.connection import AbstractConnection

from sessiond.store.connect import connections
from sessiond.store.link import LinkLimits


class Counting:
    """Makes connections, and counts them and what is written to them."""

    def __init__(self, url: str) -> None:
        self._make = connections(url, LinkLimits())
        self.made = 0
        self.writes = 0
        self.refusal: Exception | None = None

    def __call__(self) -> AbstractConnection:
        self.made += 1
        connection = self._make()
        send = connection.send_packed_command

        async def counted(command: Any, check_health: bool = True) -> None:
            # The handshake asks for the connection's health, the multiplexer never does.
            self.writes += not check_health
            if self.refusal:
                raise self.refusal
            await send(command, check_health)

        connection.send_packed_command = counted  # type: ignore[method-assign]
        return connection
