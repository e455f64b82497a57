"""grpc.health.v1: SERVING while Redis answers and the server is not stopping."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from sessiond.rpc.methods import SERVICES

_NAMES = ("", *SERVICES)


class _EndingServicer(HealthServicer):  # type: ignore[misc]
    """Ends its watches at a stop: by themselves they never end, and would hold it up."""

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[asyncio.Task[Any]] = set()

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802  the RPC's name
        watch = asyncio.current_task()
        if watch is None:
            raise AssertionError("a handler runs in a task")
        self._watches.add(watch)
        try:
            await super().Watch(request, context)
        finally:
            self._watches.discard(watch)

    async def end(self) -> None:
        """Tell every watcher, then end the watches."""
        await self.enter_graceful_shutdown()
        await asyncio.sleep(_LAST_WORDS_S)
        for watch in tuple(self._watches):
            watch.cancel()


_LAST_WORDS_S = 0.05
"""Enough to send NOT_SERVING; a watcher that reads slower learns from the stream's end."""


class Health:
    """The health of the server as a whole, and of its services; they are the same."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._servicer = _EndingServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set(self, *, serving: bool) -> None:
        """Tell those who ask, and those who watch."""
        status = health_pb2.HealthCheckResponse.ServingStatus
        for name in _NAMES:
            await self._servicer.set(name, status.SERVING if serving else status.NOT_SERVING)

    async def stop(self) -> None:
        """NOT_SERVING from now on, whatever comes after."""
        await self._servicer.end()
