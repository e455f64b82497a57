"""The server of pygrpc-native (extra `native`), with what it needs to be left on its own.

It depends on the inside of one version, which is why the extra names that and no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from importlib import metadata
from math import inf
from typing import Any, Final

import grpc
from pygrpc_native._native import EVENT_CANCEL, STREAM_CLOSED, STREAM_FULL
from pygrpc_native.aio import Server

from sessiond.domain.errors import StartupError
from sessiond.rpc.rpc_server import RpcServer

VERSION: Final = "0.5.0"
"""Whose inside this is about."""
_LOOKS_S: Final = (0.001, 0.1)
"""Between two looks whether a slow client has read: the first pause, and the longest."""
_AT_ONCE_S: Final = 0.05
"""What takes longer is waited for as a server stops."""


def native_server(options: Sequence[tuple[str, Any]]) -> RpcServer:
    """In place of `grpc.aio.server`, on the running loop."""
    return _Server(options=options)


def check_version() -> None:
    """See that the version that is installed is the one that is known.

    Raises:
        StartupError: it is another.
    """
    if (found := metadata.version("pygrpc-native")) != VERSION:
        raise StartupError(
            f"SESSIOND_TRANSPORT: pygrpc-native is {found}, and has to be {VERSION}:"
            " pip install 'sessionstore[native]'"
        )


class _Server(Server):
    """Mends what would let anybody fill the memory or take all threads, and how it stops."""

    async def start(self) -> None:
        """Answer.

        Raises:
            StartupError: no socket can be made for what is served by grpcio behind it.
        """
        try:
            await super().start()
        except (OSError, RuntimeError) as error:
            raise StartupError(
                f"cannot serve natively: {error}; is TMPDIR short, and can it be written to?"
            ) from None

    async def _send(self, call: Any, context: Any, response: Any) -> bool:
        """Send a message of a stream; others get their turn, as after a message of grpc.aio's.

        Left on its own, it waits for a client that does not read in a thread which nothing but
        that client gives back; and for one that is gone it takes in silence and at once all that a
        handler may have to say.

        Raises:
            grpc.aio.InternalError: the client is gone, as from grpc.aio.
        """
        await asyncio.sleep(0)
        front, data = self._front, self._encode(call, context, response)
        if front is None or data is None:
            return False
        context._initial_sent = True
        pause_s, longest_s = _LOOKS_S
        while (sent := front.stream_try_send(call.call_id, data)) == STREAM_FULL:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)
        if sent == STREAM_CLOSED:
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
        """Wait for the calls in flight, and for half of `grace` seconds serve others meanwhile.

        Only then are calls refused, and once those that had begun by then are over, connections
        close. Left on its own, it would refuse all calls from the beginning of the stop.
        """
        begun_s, grace_s = time.monotonic(), grace or 0.0
        await self._until_quiet(begun_s + grace_s / 2)
        end_s = begun_s + grace_s
        if self._fallback:
            await self._fallback.stop(max(0.0, end_s - time.monotonic()))
            self._fallback = None
        await super().stop(max(0.0, end_s - time.monotonic()))

    async def until_over(self) -> None:
        """Wait until it takes no more calls."""
        await self._terminated.wait()

    async def _until_quiet(self, end_s: float) -> None:
        """Wait until all that is in flight at a moment is over at once, or until the end."""
        waited_s = inf
        while waited_s > _AT_ONCE_S:
            in_flight = [call.task for call in self._calls.values() if call.task]
            began_s = time.monotonic()
            if not in_flight or began_s >= end_s:
                return
            await asyncio.wait(in_flight, timeout=end_s - began_s)
            waited_s = time.monotonic() - began_s

    def _forget(self, call_id: int, _: asyncio.Task[None]) -> None:
        self._calls.pop(call_id, None)
