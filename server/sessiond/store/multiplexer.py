"""All commands of a process over one connection to the engine.

What is sent in one tick of the event loop is written at once, and replies are read in order: RESP
answers commands in the order in which they came. redis-py's connection does everything else: it
connects, encrypts, authenticates and parses.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog
from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import InvalidResponse, ReadOnlyError, RedisError, ResponseError

from sessiond.domain.errors import OverloadedError, SessionStoreError
from sessiond.store.engine_errors import lost, translated
from sessiond.store.link import Argument, LinkLimits

log = structlog.get_logger("sessiond.store")


class _Call(NamedTuple):
    reply: asyncio.Future[Any]
    sent: float
    """When it was handed in, by the event loop's clock."""


class Multiplexer:
    """A link to one node. Not thread-safe: it belongs to one event loop.

    It connects at the first command. When the connection breaks, what waits for a reply fails at
    once, and the next command connects again. A caller that goes away takes nothing back: its reply
    is still read, and dropped.
    """

    def __init__(
        self, make_connection: Callable[[], AbstractConnection], limits: LinkLimits
    ) -> None:
        self._make_connection: Final = make_connection
        self._limits: Final = limits
        self._calls: deque[_Call] = deque()
        """In the order of their commands: those in flight, then those of `_unsent`."""
        self._unsent: list[bytes] = []
        self._wanted = asyncio.Event()
        self._heard = 0.0
        """When the latest reply came."""
        self._line: asyncio.Task[None] | None = None

    def send(self, *command: Argument) -> asyncio.Future[Any]:
        """Send a command; see `Link.send`."""
        if len(self._calls) >= self._limits.in_flight:
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(OverloadedError("too many commands wait for the store"))
            return refused
        # hiredis declares a tuple of one; any number is packed.
        return self._enqueue(pack_command(command))  # type: ignore[arg-type]

    async def close(self) -> None:
        """Wait for the replies to what was sent, then disconnect."""
        if self._calls:
            with suppress(SessionStoreError, RedisError):
                await self._enqueue(pack_command(("PING",)))  # answered after all before it
        if self._line:
            self._line.cancel()
            await asyncio.wait([self._line])

    def _enqueue(self, packed: bytes) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        call = _Call(loop.create_future(), loop.time())
        self._calls.append(call)
        self._unsent.append(packed)
        self._wanted.set()
        if self._line is None:
            self._line = loop.create_task(self._hold_line())
        return call.reply

    async def _hold_line(self) -> None:
        """Serve over one connection until it breaks, then fail what it owes."""
        connection = self._make_connection()
        problem: Exception = ConnectionError("the connection was closed")
        try:
            async with asyncio.TaskGroup() as line:
                line.create_task(self._watch())
                async with asyncio.timeout(self._limits.connect_s):
                    await connection.connect()  # type: ignore[no-untyped-call]
                line.create_task(self._write(connection))
                await self._read(connection)
        except* Exception as problems:  # noqa: BLE001  whatever it was, every caller learns of it
            problem = problems.exceptions[0]
        finally:
            calls, self._calls = self._calls, deque()
            self._unsent.clear()
            self._line = None
            if calls:
                log.warning("connection_lost", error=type(problem).__name__, unanswered=len(calls))
            for call in calls:
                _fail(call, lost(problem))
            await connection.disconnect(nowait=True)

    async def _watch(self) -> None:
        """Raise TimeoutError once the engine owes replies and has been silent for too long.

        Silence counts from the oldest command, and while connecting too. Whether its caller still
        waits does not matter.
        """
        loop = asyncio.get_running_loop()
        while True:
            left = self._silent_until() - loop.time()
            if left <= 0:
                raise TimeoutError
            await asyncio.sleep(left)

    def _silent_until(self) -> float:
        """Until when the engine may be silent, by the event loop's clock."""
        since = self._calls[0].sent if self._calls else asyncio.get_running_loop().time()
        return max(since, self._heard) + self._limits.read_s

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            commands = b"".join(self._unsent)
            self._unsent.clear()
            await connection.send_packed_command(commands, check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                reply = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            except ReadOnlyError:
                raise  # no longer the primary: the next connection may find the one that is
            except ResponseError as error:
                reply = error
            if len(self._calls) <= len(self._unsent):
                raise InvalidResponse("a reply to no command")
            call = self._calls.popleft()
            self._heard = loop.time()
            if isinstance(reply, ResponseError):
                _fail(call, translated(reply))
            elif not call.reply.done():
                call.reply.set_result(reply)


def _fail(call: _Call, error: Exception) -> None:
    if not call.reply.done():
        call.reply.set_exception(error)
