"""Bounds the calls in flight: those over the bound are refused at once, before any work."""

from __future__ import annotations

from sessiond.domain.errors import OverloadedError
from sessiond.rpc.call import Call, Handler, Method, Reply


class OverloadGuard:
    """Counts the calls of one server, or its long ones alone; never those that stay open."""

    def __init__(self, most: int, *, long_only: bool = False) -> None:
        self._most = most
        self._long_only = long_only
        self._in_flight = 0

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Refuse calls over the bound."""
        if method.standing or (self._long_only and not method.long):
            return handler

        async def guarded(call: Call) -> Reply:
            if self._in_flight >= self._most:
                raise OverloadedError("the server has as many calls in flight as it takes")
            self._in_flight += 1
            try:
                return await handler(call)
            finally:
                self._in_flight -= 1

        return guarded
