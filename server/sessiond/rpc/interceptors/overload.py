"""Bounds the calls in flight: those over the bound are refused at once, before any work."""

from __future__ import annotations

import asyncio

from google.protobuf.message import Message

from sessiond.domain.errors import OverloadedError, StoreUnavailableError
from sessiond.rpc.call import Call, Handler, Method


class OverloadGuard:
    """Counts the calls of one server."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    def close(self) -> None:
        """Refuse every call from now on: the server is stopping."""
        self._closed = True

    async def idle(self) -> None:
        """Wait until no call is in flight. Health watches do not count: they never end."""
        await self._idle.wait()

    def wrap(self, _: Method, handler: Handler) -> Handler:
        """Refuse calls over the bound."""

        async def guarded(call: Call) -> Message:
            if self._closed:
                raise StoreUnavailableError("the server is stopping")
            if self._in_flight >= self._most:
                raise OverloadedError("the server has as many calls in flight as it takes")
            self._in_flight += 1
            self._idle.clear()
            try:
                return await handler(call)
            finally:
                self._in_flight -= 1
                if not self._in_flight:
                    self._idle.set()

        return guarded
