"""A proxy that loses what it is told to lose: between a server and its engine, or a client and it.

It runs in the test's event loop. What happens to a call is decided when its request passes, and
happens when a reply begins. Where calls share a connection that may be the reply to one before it.
A connection may carry many calls at once: what ends it ends them all. What happens to a line
happens to all its connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from tests.faults.line import Direction, Line

_CHUNK: Final = 256 * 1024
_PREFACE: Final = 24
_FRAME_HEADER: Final = 9
_HEADERS: Final = 1

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Fault(Enum):
    """What happens to a call."""

    CUT = auto()
    """Executed; its connection ends before the first byte of the reply."""
    DROP = auto()
    """Executed; its reply never comes, and nothing else on its connection."""
    DELAY = auto()
    """Executed; its reply comes `Proxy.delay_s` late."""
    REFUSE = auto()
    """Its connection ends before the request has arrived."""


EXECUTED: Final = (Fault.CUT, Fault.DROP, Fault.DELAY)

Decide: TypeAlias = Callable[[bytes], Fault | None]
"""What happens to a call, from the bytes that its request came in."""


class Watch(Protocol):
    """Follows the protocol on one connection."""

    def starts_call(self, chunk: bytes) -> bool:
        """Whether a call's request begins in what the near side sent."""

    def starts_reply(self, chunk: bytes) -> bool:
        """Whether a call's reply begins in what the far side sent."""


class RespWatch:
    """Scripts, and steps of walks, over RESP.

    An engine answers a pipeline only after it has executed all of it.
    """

    def starts_call(self, chunk: bytes) -> bool:
        return b"EVALSHA" in chunk or b"ZSCAN" in chunk

    def starts_reply(self, chunk: bytes) -> bool:
        return bool(chunk)


class GrpcWatch:
    """Unary calls over HTTP/2 without TLS (RFC 9113): each side's part begins with HEADERS.

    What a server sends before it has an answer (SETTINGS, WINDOW_UPDATE, PING) is no reply.
    """

    def __init__(self) -> None:
        self._near = _Frames(_PREFACE)
        self._far = _Frames(0)

    def starts_call(self, chunk: bytes) -> bool:
        return _HEADERS in self._near.feed(chunk)

    def starts_reply(self, chunk: bytes) -> bool:
        return _HEADERS in self._far.feed(chunk)


class _Frames:
    """Reads the types of HTTP/2 frames from a stream of bytes."""

    def __init__(self, skip: int) -> None:
        self._skip = skip
        self._header = b""

    def feed(self, chunk: bytes) -> list[int]:
        """The types of the frames whose header ends in this chunk."""
        types: list[int] = []
        while chunk:
            passed = min(self._skip, len(chunk))
            self._skip -= passed
            chunk = chunk[passed:]
            missing = _FRAME_HEADER - len(self._header)
            self._header += chunk[:missing]
            chunk = chunk[missing:]
            if len(self._header) == _FRAME_HEADER:
                self._skip = int.from_bytes(self._header[:3])
                types.append(self._header[3])
                self._header = b""
        return types


class Proxy:
    """Forwards connections, strikes the calls that `decide` picks, or all while its line is bad."""

    def __init__(self, dial: Callable[[], Awaitable[Streams]], watch: Callable[[], Watch]) -> None:
        self.decide: Decide = spare
        self.delay_s = 1.0
        self.line = Line.CLEAR
        self.struck = 0
        """Calls, connections and chunks that a fault has happened to."""
        self.address = ""
        """Where it listens, if that is TCP."""
        self._dial = dial
        self._watch = watch
        self._connections: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    @classmethod
    @asynccontextmanager
    async def between_unix(
        cls, near: Path, far: Path, watch: Callable[[], Watch]
    ) -> AsyncIterator[Proxy]:
        """Listen on one Unix socket and connect to another."""
        proxy = cls(lambda: asyncio.open_unix_connection(far), watch)
        listener = await asyncio.start_unix_server(proxy._accept, near)
        try:
            yield proxy
        finally:
            await proxy._close(listener)

    @classmethod
    @asynccontextmanager
    async def before_tcp(cls, address: str, watch: Callable[[], Watch]) -> AsyncIterator[Proxy]:
        """Listen on a free port of the loopback and connect to an address."""
        host, _, port = address.rpartition(":")
        proxy = cls(lambda: asyncio.open_connection(host, int(port)), watch)
        listener = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        proxy.address = "127.0.0.1:{1}".format(*listener.sockets[0].getsockname())
        try:
            yield proxy
        finally:
            await proxy._close(listener)

    def lose(self, fault: Fault, times: int, marker: bytes = b"") -> None:
        """Strike the next so many calls whose request contains the marker."""
        left = times

        def decide(request: bytes) -> Fault | None:
            nonlocal left
            if left == 0 or marker not in request:
                return None
            left -= 1
            return fault

        self.decide = decide

    def turn(self, line: Line) -> None:
        """Change the state of the line."""
        self.line = line
        if line is Line.HELD:
            self._flows.clear()
        else:
            self._flows.set()
        if line is Line.DOWN:
            self.cut()

    async def flows(self) -> None:
        """Wait until answers are not held."""
        await self._flows.wait()

    def cut(self) -> None:
        """End every connection."""
        self.struck += len(self._connections)
        for task in self._connections:
            task.cancel()

    async def _close(self, listener: asyncio.Server) -> None:
        listener.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await listener.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.line is Line.DOWN:
            self.struck += 1
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve((reader, writer)))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # A task that is cancelled before its first step never comes to end its connection.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, near: Streams) -> None:
        writers = [near[1]]
        try:
            far = await self._dial()
            writers.append(far[1])
            link = _Link(self, near, far, self._watch())
            pumps = [asyncio.ensure_future(pump) for pump in (link.requests(), link.replies())]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # nobody listens: the near side learns by its connection's end
        finally:
            for writer in writers:
                writer.transport.abort()
            for writer in writers:
                with suppress(OSError):
                    await writer.wait_closed()


class _Link:
    """One connection through the proxy. It ends as soon as either of its pumps does."""

    def __init__(self, proxy: Proxy, near: Streams, far: Streams, watch: Watch) -> None:
        self._proxy = proxy
        self._near = near
        self._far = far
        self._watch = watch
        self._to_far = Direction(far[1], answers=False)
        self._to_near = Direction(near[1], answers=True)
        self._pending: Fault | None = None

    async def requests(self) -> None:
        while chunk := await self._near[0].read(_CHUNK):
            if self._watch.starts_call(chunk) and self._pending is None:
                self._pending = self._proxy.decide(chunk)
                if self._pending:
                    self._proxy.struck += 1
                if self._pending is Fault.REFUSE:
                    return
            await self._carry(self._to_far, chunk)

    async def replies(self) -> None:
        while chunk := await self._far[0].read(_CHUNK):
            begins = self._watch.starts_reply(chunk)
            if begins and self._pending is Fault.CUT:
                return
            if begins and self._pending is Fault.DELAY:
                self._pending = None
                await asyncio.sleep(self._proxy.delay_s)
            if self._pending is Fault.DROP:
                continue
            await self._carry(self._to_near, chunk)

    async def _carry(self, direction: Direction, chunk: bytes) -> None:
        proxy = self._proxy
        proxy.struck += proxy.line is not Line.CLEAR
        if direction.answers:
            await proxy.flows()
        await direction.carry(chunk, proxy.line, proxy.delay_s)


def spare(_: bytes) -> Fault | None:
    """Let every call pass."""
    return None
