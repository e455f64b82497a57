"""Connections that lead to the primary which sentinels name, and break when it is another."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

from sessiond.store.access import Connect, Door, EncryptedConnection
from sessiond.store.sentinels import Sentinels
from sessiond.store.store_url import Address

_POLL_S: Final = 0.5
"""How often sentinels are asked whether the primary is still the same."""

_FRESH_S: Final = 0.05
"""How long an answer is good: attempts to connect may follow each other faster than that."""


class Primary:
    """The primary of a group: where it is, and who is connected to it.

    An old primary that lost its sentinels may never say so. So as long as somebody is connected,
    the sentinels are asked again and again, and whoever is with another than they name is cut off.
    """

    def __init__(self, sentinels: Sentinels) -> None:
        self._sentinels: Final = sentinels
        self._connected: set[PrimaryConnection] = set()
        self._watch: asyncio.Task[None] | None = None
        self._found: Address | None = None
        self._found_s = 0.0
        self._log = structlog.get_logger("sessiond.store")

    def through(self, door: Door) -> Connect:
        """Connections to wherever it is when they connect."""
        return door.through(PrimaryConnection, PrimarySSLConnection, primary=self)

    async def find(self) -> Address:
        """Where it is now; raises like `Sentinels.primary`."""
        now = asyncio.get_running_loop().time()
        if self._found is None or now > self._found_s + _FRESH_S:
            async with self._sentinels.panel() as panel:
                self._found = await self._sentinels.primary(panel)
            self._found_s = now
        return self._found

    def follow(self, connection: PrimaryConnection) -> None:
        """Cut this one off if it is no longer with the primary."""
        self._connected.add(connection)
        if self._watch is None:
            self._watch = asyncio.create_task(self._keep_watch())

    async def forget(self, connection: PrimaryConnection) -> None:
        """It has come to its end."""
        self._connected.discard(connection)
        watch = self._watch
        if watch and not self._connected:
            self._watch = None
            watch.cancel()
            await asyncio.wait([watch])

    async def _keep_watch(self) -> None:
        async with self._sentinels.panel() as panel:
            while True:
                await asyncio.sleep(_POLL_S)
                try:
                    address = await self._sentinels.primary(panel)
                except RedisConnectionError:
                    continue  # nobody knows of a better one
                for connection in self._connected:
                    if connection.address != address:
                        self._log.warning("primary_left", address=f"{address.host}:{address.port}")
                        connection.cut()


class PrimaryConnection(Connection):
    """To the primary, in plaintext."""

    def __init__(self, *, primary: Primary, **rest: Any) -> None:
        super().__init__(**rest)
        self._primary = primary

    @property
    def address(self) -> Address:
        """Where it leads."""
        return Address(self.host, self.port)

    async def connect(self) -> None:
        """Find the primary, connect, and have it say that it is one."""
        self.host, self.port = await self._primary.find()
        await super().connect()  # type: ignore[no-untyped-call]
        await self.send_command("ROLE", check_health=False)
        role, *_ = await self.read_response()
        if role != b"master":
            raise RedisConnectionError(f"{self.host}:{self.port} is no primary")
        self._primary.follow(self)

    def cut(self) -> None:
        """Break it under whoever uses it, who then finds the primary again."""
        if self._writer:
            self._writer.transport.abort()

    async def disconnect(self, *args: Any, **rest: Any) -> None:
        """Disconnect, and be followed no more."""
        await super().disconnect(*args, **rest)
        await self._primary.forget(self)


class PrimarySSLConnection(PrimaryConnection, EncryptedConnection):
    """To the primary, over TLS."""
