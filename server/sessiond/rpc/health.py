"""grpc.health.v1: SERVING while Redis answers and the server is not stopping.

The name `liveness` is SERVING from the start to the stop, whatever the store does: who restarts a
server for want of its store makes nothing better.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sessiond.rpc.listening import Transport, listening_server
from sessiond.rpc.methods import SERVICES
from sessiond.rpc.rpc_server import RpcServer
from sessiond.rpc.server import ended

LIVENESS: Final = "liveness"
"""What to ask the health of, for whether the process answers."""
_NAMES: Final = ("", *SERVICES)
_LARGEST_REQUEST: Final = 16_384
_LONGEST_S: Final = 1800.0


class _Servicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Answers and tells, whether or not those who watch read what they are told."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._watches: set[asyncio.Task[Any]] = set()
        self._ended = False

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  the RPC's name
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return _Answer(status=status)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802  the RPC's name
        watch = asyncio.current_task()
        if watch is None:
            raise AssertionError("a handler runs in a task")
        self._watches.add(watch)
        try:
            last = None
            while True:
                changed = self._changed
                status = self._statuses.get(request.service, _Answer.SERVICE_UNKNOWN)
                if status != last:
                    await context.write(_Answer(status=status))
                    last = status
                elif self._ended:
                    return
                else:
                    await changed.wait()
        finally:
            self._watches.discard(watch)

    def set(self, statuses: Mapping[str, int]) -> None:
        """Say so from now on; nothing once it has ended."""
        if self._ended:
            return
        self._statuses.update(statuses)
        self._changed.set()
        self._changed = asyncio.Event()

    async def end(self) -> None:
        """Tell every watcher, and let their calls end: they would hold a stop up."""
        self.set(dict.fromkeys(self._statuses, _Answer.NOT_SERVING))
        self._ended = True
        await asyncio.sleep(_LAST_WORDS_S)
        for watch in tuple(self._watches):
            watch.cancel()


_Answer: Final = health_pb2.HealthCheckResponse
_LAST_WORDS_S: Final = 0.05
"""Enough to send NOT_SERVING; a watcher that reads slower is not waited for."""


class Health:
    """The health of the server as a whole, and of its services; they are the same."""

    def __init__(self, server: RpcServer) -> None:
        self._servicer = _Servicer()
        self.answer_on(server)

    def answer_on(self, server: RpcServer) -> None:
        """Give the same answers on one more server, which has not started yet."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def set(self, *, serving: bool) -> None:
        """Tell those who ask, and those who watch."""
        status = _Answer.SERVING if serving else _Answer.NOT_SERVING
        self._servicer.set({LIVENESS: _Answer.SERVING, **dict.fromkeys(_NAMES, status)})

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

    async def ended(self) -> None:
        """Wait until nobody can ask, though no stop was asked for.

        Raises:
            StartupError: that is so.
        """
        await ended(self._server, self.address)

    async def stop(self) -> None:
        """Answer no more."""
        await self._server.stop(None)
