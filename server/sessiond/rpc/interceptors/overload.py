"""Bounds the calls in flight: those over the bound are refused at once, before any work."""

from __future__ import annotations

from google.protobuf.message import Message

from sessiond.domain.errors import OverloadedError
from sessiond.rpc.call import Call, Handler, Method


class OverloadGuard:
    """Counts the calls of one server."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._in_flight = 0

    def wrap(self, _: Method, handler: Handler) -> Handler:
        """Refuse calls over the bound."""

        async def guarded(call: Call) -> Message:
            if self._in_flight >= self._most:
                raise OverloadedError("the server has as many calls in flight as it takes")
            self._in_flight += 1
            try:
                return await handler(call)
            finally:
                self._in_flight -= 1

        return guarded
