"""Ends long calls when the server stops: by themselves they may go on for ever."""

from __future__ import annotations

import asyncio

from sessiond.domain.errors import StoreUnavailableError
from sessiond.rpc.call import Call, Handler, Method, Reply


class LongCalls:
    """Those of one server."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Make a long call one that `end` ends."""
        if not method.long:
            return handler

        async def endable(call: Call) -> Reply:
            scope = asyncio.timeout(None)
            self._open.add(scope)
            try:
                async with scope:
                    return await handler(call)
            except TimeoutError:
                if not scope.expired():
                    raise
                raise StoreUnavailableError("the server is stopping") from None
            finally:
                self._open.discard(scope)

        return endable

    def end(self) -> None:
        """Cancel every handler; its caller is told UNAVAILABLE and may go on elsewhere."""
        now = asyncio.get_running_loop().time()
        for scope in tuple(self._open):
            scope.reschedule(now)
