"""A connection to the engine for one who asks and waits in turn, such as for replies that block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from sessiond.store.link import Argument, LinkLimits


class Line:
    """One connection. Whoever was cancelled or failed while it asked must close it."""

    def __init__(self, connection: AbstractConnection, limits: LinkLimits) -> None:
        self._connection = connection
        self._limits = limits

    @classmethod
    async def open(cls, connect: Callable[[], AbstractConnection], limits: LinkLimits) -> Self:
        """Connect; raises whatever that may, and TimeoutError."""
        connection = connect()
        try:
            async with asyncio.timeout(limits.connect_s):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return cls(connection, limits)

    async def ask(self, *commands: tuple[Argument, ...], blocks_s: float = 0.0) -> list[Any]:
        """The replies to commands that are sent together; raises whatever one of them is.

        Args:
            commands: at least one.
            blocks_s: how long they may block, beside the time that any reply may take.
        """
        replies = await self.answers(*commands, blocks_s=blocks_s)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    async def answers(self, *commands: tuple[Argument, ...], blocks_s: float = 0.0) -> list[Any]:
        """The same, with the errors that commands were refused with in their places."""
        # hiredis declares a tuple of one; any number is packed.
        packed = b"".join(pack_command(command) for command in commands)  # type: ignore[arg-type]
        async with asyncio.timeout(self._limits.read_s + blocks_s):
            await self._connection.send_packed_command(packed, check_health=False)
            return [await self._reply() for _ in commands]

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response(disconnect_on_error=False)
        except ResponseError as error:
            return error

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.disconnect(nowait=True)
