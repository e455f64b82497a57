"""A directory of users for the orphans job, in which everybody exists."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from sessionstore.v1 import user_directory_pb2 as pb
from sessionstore.v1 import user_directory_pb2_grpc as service


class Directory(service.UserDirectoryServicer):
    """Misses nobody, and counts whom it was asked for."""

    def __init__(self) -> None:
        self.address = ""
        self.asked = 0
        """User ids in all requests so far."""

    async def FilterMissingUsers(  # noqa: N802  named by the proto
        self, request: pb.FilterMissingUsersRequest, _: Any
    ) -> pb.FilterMissingUsersResponse:
        """Nobody is missing."""
        self.asked += len(request.user_ids)
        return pb.FilterMissingUsersResponse()


@asynccontextmanager
async def serve_directory() -> AsyncIterator[Directory]:
    """A directory that serves on a port of the loopback interface."""
    server, directory = grpc.aio.server(), Directory()
    service.add_UserDirectoryServicer_to_server(directory, server)
    directory.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield directory
    finally:
        await server.stop(None)
