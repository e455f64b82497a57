"""grpc.health.v1: SERVING while Redis answers and the server is not stopping.

The name `liveness` is SERVING from the start to the stop, whatever the store does: who restarts a
server for want of its store makes nothing better.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from sessiond.rpc.listening import Transport, listening_server
from sessiond.rpc.methods import SERVICES

LIVENESS: Final = "liveness"
"""What to ask the health of, for whether the process answers."""
_NAMES: Final = ("", *SERVICES)
_LARGEST_REQUEST: Final = 16_384
_LONGEST_S: Final = 1800.0


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
        self.answer_on(server)

    def answer_on(self, server: grpc.aio.Server) -> None:
        """Give the same answers on one more server, which has not started yet."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set(self, *, serving: bool) -> None:
        """Tell those who ask, and those who watch."""
        status = health_pb2.HealthCheckResponse.ServingStatus
        await self._servicer.set(LIVENESS, status.SERVING)
        for name in _NAMES:
            await self._servicer.set(name, status.SERVING if serving else status.NOT_SERVING)

    async def stop(self) -> None:
        """NOT_SERVING from now on, whatever comes after."""
        await self._servicer.end()


class HealthPort:
    """Health at an address of its own, in plaintext: kubelets and the like speak no TLS."""

    def __init__(self, listen: str, health: Health, *, shared_port: bool) -> None:
        """Take the address; `shared_port` if other processes listen on it too.

        Raises:
            StartupError: it cannot be listened on.
        """
        transport = Transport(listen, None, _LARGEST_REQUEST, _LONGEST_S, shared_port=shared_port)
        self._server, port = listening_server(transport)
        self.address: Final = f"{listen.rpartition(':')[0]}:{port}"
        health.answer_on(self._server)

    async def start(self) -> None:
        """Answer."""
        await self._server.start()

    async def stop(self) -> None:
        """Answer no more."""
        await self._server.stop(None)
