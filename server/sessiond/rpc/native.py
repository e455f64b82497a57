"""The server of pygrpc-native (extra `native`), with what it needs to be left on its own.

It depends on the inside of one version, which is why the extra names that and no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import grpc
from pygrpc_native._native import EVENT_CANCEL
from pygrpc_native.aio import Server

_SLOW_READERS: Final = 2_000
"""Threads at most, each made when it is needed."""


def native_server(options: Sequence[tuple[str, Any]]) -> grpc.aio.Server:
    """In place of `grpc.aio.server`, on the running loop."""
    # It waits for each client that does not read in a thread of the loop's executor. Of the few
    # that there are by default, some such clients would leave none to anybody else.
    threads = ThreadPoolExecutor(_SLOW_READERS, thread_name_prefix="slow-reader")
    asyncio.get_running_loop().set_default_executor(threads)
    return _Server(options=options)


class _Server(Server):
    """Mends what would let anybody fill the memory, or stop the event loop."""

    async def _send(self, call: Any, context: Any, response: Any) -> bool:
        """Send a message of a stream; others get their turn, as after a message of grpc.aio's.

        Left on its own, it takes a message for a client that is gone in silence and at once, and so
        all that a handler may have to say.

        Raises:
            grpc.aio.InternalError: the client is gone, as from grpc.aio.
        """
        await asyncio.sleep(0)
        if not await super()._send(call, context, response):
            raise grpc.aio.InternalError("the client is gone")
        return True

    def _on_events(self, events: list[tuple[Any, ...]]) -> None:
        """Take what comes, and forget calls that are given up before their handler has begun.

        Such a handler never begins, and so never came to forget its call: each was kept for ever.
        """
        super()._on_events(events)
        for kind, call_id, *_ in events:
            if kind == EVENT_CANCEL and (call := self._calls.get(call_id)) and call.task:
                call.task.add_done_callback(partial(self._forget, call_id))

    async def stop(self, grace: float | None = None) -> None:
        """Wait for the calls in flight, at most `grace` seconds, and serve others meanwhile.

        Only as the connections close are clients sent elsewhere; what is called in that moment may
        be lost. Left on its own, it would refuse all calls from the beginning of the stop.
        """
        in_flight = [call.task for call in self._calls.values() if call.task]
        waits: list[Awaitable[object]] = []
        if grace and in_flight:
            waits.append(asyncio.wait(in_flight, timeout=grace))
        if self._fallback:
            waits.append(self._fallback.stop(grace))
            self._fallback = None
        await asyncio.gather(*waits)
        if self._front:
            await asyncio.to_thread(self._front.close)
        await super().stop(None)

    def _forget(self, call_id: int, _: asyncio.Task[None]) -> None:
        self._calls.pop(call_id, None)
