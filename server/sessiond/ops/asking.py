"""Asks the ops port of another process on this machine."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

import h11

from sessiond.ops.http import Answer
from sessiond.ops.listening import UNIX

_PATIENCE_S: Final = 3.0
_CHUNK: Final = 64 * 1024


async def ask(listen: str, path: str) -> Answer:
    """GET a path of who listens on `unix:PATH`.

    Raises:
        OSError: nobody does, or not in time.
        h11.RemoteProtocolError: what comes back is no answer.
    """
    async with asyncio.timeout(_PATIENCE_S):
        reader, writer = await asyncio.open_unix_connection(listen.removeprefix(UNIX))
        try:
            return await _exchange(reader, writer, path)
        finally:
            writer.close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str
) -> Answer:
    protocol = h11.Connection(h11.CLIENT)
    request = h11.Request(method="GET", target=path, headers=[("Host", "localhost")])
    writer.write(protocol.send(request) + protocol.send(h11.EndOfMessage()))
    head: h11.Response | None = None
    body: list[bytes] = []
    while True:
        event = protocol.next_event()
        if event is h11.NEED_DATA:
            protocol.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body.append(bytes(event.data))
        else:
            break
    if head is None:
        raise h11.RemoteProtocolError("it was closed without an answer")
    headers = {name.decode(): value.decode() for name, value in head.headers}
    return Answer(
        b"".join(body),
        headers["content-type"],
        HTTPStatus(head.status_code),
        (("Cache-Control", headers["cache-control"]),),
    )
