"""A small HTTP/1.1 server (RFC 9112, parsed by h11) for those who look after a service.

It reads no bodies and gives one answer a connection, so that few connections, each for a few
seconds, are all that anybody can take of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import h11
import structlog

from sessiond.ops import listening
from sessiond.service import faults

_MOST_CONNECTIONS: Final = 64
_PATIENCE_S: Final = 10.0
"""For a connection, from its begin to its end."""
_MOST_HEAD_BYTES: Final = 16 * 1024
_CHUNK: Final = 8 * 1024
_METHODS: Final = (b"GET", b"HEAD")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"),)


Handler = Callable[[], Awaitable[Answer]]


class HttpServer:
    """Answers GET and HEAD of a few fixed paths."""

    def __init__(self, routes: Mapping[str, Handler]) -> None:
        """Set what is answered, by path."""
        self._routes = {path.encode(): handler for path, handler in routes.items()}
        self._connections: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("sessiond.ops")

    async def start(self, listen: str) -> str:
        """Answer on `HOST:PORT` or `unix:PATH`; the address, with the port that was picked.

        Raises:
            StartupError: the address cannot be listened on.
        """
        bound = listening.listening_socket(listen)
        self._listen = listen
        self._server = await asyncio.start_server(self._accept, sock=bound, limit=_CHUNK)
        return listening.address_of(bound, listen)

    async def stop(self) -> None:
        """Answer no more; what is being answered is cut off."""
        self._server.close()
        listening.remove(self._listen)
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("a connection is served in a task")
        try:
            if len(self._connections) < _MOST_CONNECTIONS:
                self._connections.add(task)
                async with asyncio.timeout(_PATIENCE_S):
                    await _Exchange(reader, writer).hold(self._answer)
        except (TimeoutError, OSError):
            pass  # whoever asked is slow, or gone
        except asyncio.CancelledError:
            pass  # the server stops; asyncio would report the task as failed
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _answer(self, request: h11.Request) -> Answer:
        handler = self._routes.get(request.target.partition(b"?")[0])
        if handler is None:
            return plain(HTTPStatus.NOT_FOUND)
        if request.method not in _METHODS:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET, HEAD"))
        try:
            return await handler()
        except Exception as error:  # noqa: BLE001  nothing of it leaves us
            self._log.error(
                "ops_fault",
                path=request.target.decode("ascii", "replace"),
                error=type(error).__name__,
                frames=faults.frames(error),
            )
            return plain(HTTPStatus.INTERNAL_SERVER_ERROR)


def plain(status: HTTPStatus, *headers: tuple[str, str], text: str = "") -> Answer:
    """An answer of one line, by default the phrase of its status."""
    return Answer(
        f"{text or status.phrase}\n".encode(),
        status=status,
        headers=(("Cache-Control", "no-store"), *headers),
    )


class _Exchange:
    """One request and its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD_BYTES)

    async def hold(self, respond: Callable[[h11.Request], Awaitable[Answer]]) -> None:
        """Read the request, and write what is responded."""
        try:
            request = await self._request()
        except h11.RemoteProtocolError as error:
            with suppress(h11.LocalProtocolError):
                await self._write(plain(HTTPStatus(error.error_status_hint)), with_body=True)
        else:
            if request:
                await self._write(await respond(request), with_body=request.method != b"HEAD")

    async def _request(self) -> h11.Request | None:
        """The head of a request; None if there comes none."""
        while True:
            event = self._protocol.next_event()
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA:
                return None
            self._protocol.receive_data(await self._reader.read(_CHUNK))

    async def _write(self, answer: Answer, *, with_body: bool) -> None:
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Connection", "close"),
            *answer.headers,
        ]
        head = h11.Response(
            status_code=answer.status, headers=headers, reason=answer.status.phrase.encode()
        )
        out = [self._protocol.send(head)]
        if with_body:
            out.append(self._protocol.send(h11.Data(data=answer.body)))
        self._writer.write(b"".join(part for part in out if part))
        self._writer.close()
        await self._writer.wait_closed()
