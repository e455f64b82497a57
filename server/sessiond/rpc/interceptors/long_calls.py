"""Ends long calls when the server stops: by themselves they may go on for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from sessiond.domain.errors import StoreUnavailableError
from sessiond.rpc.call import Call, Handler, Method, Reply


class LongCalls:
    """Those of one server."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Timeout, asyncio.Task[Any]] = {}

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Make a long call one that `end` ends."""
        if not method.long:
            return handler

        async def endable(call: Call) -> Reply:
            scope, task = asyncio.timeout(None), asyncio.current_task()
            if task is None:
                raise AssertionError("a handler runs in a task")
            self._open[scope] = task
            try:
                async with scope:
                    return await handler(call)
            except TimeoutError:
                if not scope.expired():
                    raise
                raise StoreUnavailableError("the server is stopping") from None
            finally:
                del self._open[scope]

        return endable

    async def over(self, within_s: float) -> None:
        """Wait for those that go on, for so many seconds at most."""
        if self._open:
            await asyncio.wait(self._open.values(), timeout=within_s)

    def end(self) -> None:
        """Cancel every handler; its caller is told UNAVAILABLE and may go on elsewhere."""
        now = asyncio.get_running_loop().time()
        for scope in tuple(self._open):
            scope.reschedule(now)
