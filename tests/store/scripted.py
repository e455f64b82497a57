"""An engine that answers what a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from hiredis import Reader

OK = b"+OK\r\n"

Answer: TypeAlias = Callable[[list[bytes]], bytes]


@dataclass
class Scripted:
    """A server that speaks RESP; handshakes are answered by themselves."""

    answer: Answer
    """The bytes that a command is answered with: none, one reply, or what a test likes."""
    url: str = ""
    asked: list[list[bytes]] = field(default_factory=list)
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    handlers: list[asyncio.Task[None]] = field(default_factory=list)

    def say(self, data: bytes) -> None:
        """Write to the latest connection, asked or not."""
        self.connections[-1].write(data)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection to its end."""
        self.connections.append(writer)
        self.handlers.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = Reader()
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                commands.feed(chunk)
                while command := commands.gets():
                    if command[0] == b"CLIENT":
                        writer.write(OK)
                    else:
                        self.asked.append(command)
                        writer.write(self.answer(command))
        writer.close()


@asynccontextmanager
async def scripted(answer: Answer) -> AsyncIterator[Scripted]:
    """Serve on a free port of the loopback."""
    engine = Scripted(answer)
    server = await asyncio.start_server(engine.accept, "127.0.0.1", 0)
    engine.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield engine
    finally:
        server.close()
        for writer in engine.connections:
            writer.transport.abort()
        await asyncio.gather(*engine.handlers)
