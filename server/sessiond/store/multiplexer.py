"""All commands of a process over one connection to the engine.

What is sent in one tick of the event loop is written at once, and replies are read in order: RESP
answers commands in the order in which they came. redis-py's connection does everything else: it
connects, encrypts, authenticates and parses.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple, Self

import structlog
from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    BusyLoadingError,
    InvalidResponse,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from sessiond.domain.errors import OverloadedError, SessionStoreError, StoreUnavailableError
from sessiond.domain.timings import Timings
from sessiond.store.engine_errors import lost, translated
from sessiond.store.figures import LinkFigures
from sessiond.store.link import Argument, LinkLimits


class _Call(NamedTuple):
    reply: asyncio.Future[Any]
    sent: float
    """When it was handed in, by the event loop's clock."""
    begun: float
    """The same by a finer clock: uvloop's counts milliseconds."""
    timings: Timings


class Multiplexer:
    """A link to one node. Not thread-safe: it belongs to one event loop.

    It connects at the first command. When the connection breaks, what waits for a reply fails at
    once, and the next command connects again. Who goes away takes nothing back: the reply is still
    read, and dropped.
    """

    def __init__(
        self,
        make_connection: Callable[[], AbstractConnection],
        limits: LinkLimits,
        *,
        name: str = "",
        figures: LinkFigures | None = None,
    ) -> None:
        """Set the way to the node.

        Args:
            make_connection: makes a connection that is not connected yet.
            limits: how long the node is waited for.
            name: tells it from other nodes of the store.
            figures: where is counted; by default figures of its own.
        """
        self.name = name
        self.figures: Final = figures or LinkFigures()
        self._make_connection: Final = make_connection
        self._limits: Final = limits
        self._calls: deque[_Call] = deque()
        """In the order of their commands: those in flight, then those of `_unsent`."""
        self._unsent: list[bytes] = []
        self._wanted = asyncio.Event()
        self._heard = 0.0
        """When the latest reply came."""
        self._line: asyncio.Task[None] | None = None
        self._closed = False
        self._problem = ""
        self._log = structlog.get_logger("sessiond.store")

    def send(self, *command: Argument) -> asyncio.Future[Any]:
        """Send a command; see `Link.send`."""
        if self._closed:
            return _failed(StoreUnavailableError("the connection to the store was closed"))
        if len(self._calls) >= self._limits.in_flight:
            return _failed(OverloadedError("too many commands wait for the store"))
        return self._enqueue(command)

    async def holder(self, key: str) -> Self:  # noqa: ARG002  the one node holds every key
        """This link; see `Link.holder`."""
        return self

    def doubt(self) -> None:
        """Nothing: there is no other node; see `Link.doubt`."""

    async def close(self) -> None:
        """Wait for the replies to what was sent, then disconnect."""
        self._closed = True
        if self._calls:
            with suppress(SessionStoreError, RedisError):
                await self._enqueue(("PING",))  # answered after all before it
        if self._line:
            self._line.cancel()
            await asyncio.wait([self._line])

    def _enqueue(self, command: tuple[Argument, ...]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        # hiredis declares a tuple of one; any number is packed.
        self._unsent.append(pack_command(command))  # type: ignore[arg-type]
        timings = self.figures.timings(command)
        call = _Call(loop.create_future(), loop.time(), time.perf_counter(), timings)
        self._calls.append(call)
        self.figures.handed_in += 1
        self._wanted.set()
        if self._line is None:
            self._line = loop.create_task(self._hold_line())
        return call.reply

    async def _hold_line(self) -> None:
        """Serve over one connection until it breaks, then fail what it owes."""
        connection: AbstractConnection | None = None
        connected = False
        problem: Exception = ConnectionError("the connection was closed")
        try:
            async with asyncio.TaskGroup() as line:
                line.create_task(self._watch())
                connection = self._make_connection()
                async with asyncio.timeout(self._limits.connect_s):
                    await connection.connect()  # type: ignore[no-untyped-call]
                connected = True
                self.figures.connected += 1
                line.create_task(self._write(connection))
                await self._read(connection)
        except* Exception as problems:  # noqa: BLE001  whatever it was, every caller learns of it
            problem = problems.exceptions[0]
        finally:
            self._line = None
            if connected:
                self.figures.disconnected += 1
            else:
                self.figures.connects_failed += 1
            self._give_up(problem, keep_unsent=connected and not self._closed)
            if connection:
                await connection.disconnect(nowait=True)

    def _give_up(self, problem: Exception, *, keep_unsent: bool) -> None:
        """Fail what waits for a reply; what was never written may go over the next connection."""
        self._tell(problem)
        kept = len(self._unsent) if keep_unsent else 0
        owed = [self._calls.popleft() for _ in range(len(self._calls) - kept)]
        self.figures.lost += len(owed)
        if kept:
            self._line = asyncio.get_running_loop().create_task(self._hold_line())
        else:
            self._unsent.clear()
        for call in owed:
            _fail(call, lost(problem))

    def _tell(self, problem: Exception) -> None:
        """Log why a connection ended, once for as long as it is the same."""
        what = f"{type(problem).__name__}: {problem}"
        if self._calls and what != self._problem:
            self._log.warning("connection_lost", problem=what, unanswered=len(self._calls))
            self._problem = what

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
            self.figures.batches.observe(len(self._unsent))
            commands = b"".join(self._unsent)
            self._unsent.clear()
            await connection.send_packed_command(commands, check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                # Without a timeout: redis-py answers one with None, also one of the socket's own.
                reply = await connection.read_response(disconnect_on_error=False)
            except (BusyLoadingError, ReadOnlyError) as error:
                # Not the primary, or not yet: the next connection may find one that is.
                self._refuse(error)
                raise ConnectionError("the engine cannot serve") from error
            except ResponseError as error:
                self._refuse(error)
            else:
                call = self._next_call()
                if not call.reply.done():
                    call.reply.set_result(reply)
            self._heard = loop.time()
            self._problem = ""

    def _refuse(self, error: RedisError) -> None:
        """Hand the engine's refusal on."""
        self.figures.refused += 1
        _fail(self._next_call(), translated(error))

    def _next_call(self) -> _Call:
        """The call that a reply belongs to."""
        if len(self._calls) <= len(self._unsent):
            raise InvalidResponse("a reply to no command")
        call = self._calls.popleft()
        self.figures.answered += 1
        call.timings.observe(time.perf_counter() - call.begun)
        return call


def _fail(call: _Call, error: Exception) -> None:
    if not call.reply.done():
        call.reply.set_exception(error)


def _failed(error: Exception) -> asyncio.Future[Any]:
    reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    reply.set_exception(error)
    return reply
