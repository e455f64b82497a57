"""What both transports have that serves calls."""

from __future__ import annotations

from typing import Any, Protocol

import grpc


class RpcServer(Protocol):
    """A server of gRPC, by the names that `grpc.aio.Server` has."""

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: dict[str, grpc.RpcMethodHandler[Any, Any]], /
    ) -> None:
        """Serve these methods; before the start."""

    def add_insecure_port(self, address: str, /) -> int:
        """Listen in plaintext; the port."""

    def add_secure_port(self, address: str, credentials: grpc.ServerCredentials, /) -> int:
        """Listen by TLS; the port."""

    async def start(self) -> None:
        """Answer."""

    async def stop(self, grace: float | None, /) -> None:
        """Take no more calls, and wait for those in flight, this many seconds at most."""

    async def until_over(self) -> None:
        """Wait until it takes no more calls, whether or not it was asked to stop."""
