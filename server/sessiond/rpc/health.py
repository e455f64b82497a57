"""grpc.health.v1: SERVING while Redis answers and the server is not stopping."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from sessiond.rpc.methods import SESSION_SERVICE

_NAMES = ("", SESSION_SERVICE)


class Health:
    """The health of the server as a whole, and of its service; the two are the same."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._servicer = health.aio.HealthServicer()  # type: ignore[attr-defined]
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set(self, *, serving: bool) -> None:
        """Tell those who ask, and those who watch."""
        status = health_pb2.HealthCheckResponse.ServingStatus
        for name in _NAMES:
            await self._servicer.set(name, status.SERVING if serving else status.NOT_SERVING)

    async def stop(self) -> None:
        """NOT_SERVING from now on, whatever comes after."""
        await self._servicer.enter_graceful_shutdown()
