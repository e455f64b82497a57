"""User directories that a test starts, each on a port of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from sessiond.rpc.call import Context
from sessionstore.v1.user_directory_pb2 import (
    FilterMissingUsersRequest,
    FilterMissingUsersResponse,
)
from sessionstore.v1.user_directory_pb2_grpc import (
    UserDirectoryServicer,
    add_UserDirectoryServicer_to_server,
)

Answer = Callable[[Sequence[str], Context], Awaitable[Iterable[str]]]


@dataclass
class Directory(UserDirectoryServicer):
    """Answers as a test says, and keeps what it was asked."""

    answer: Answer
    address: str = ""
    asked: list[list[str]] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)

    async def FilterMissingUsers(  # noqa: N802  the stub knows of threads only
        self, request: FilterMissingUsersRequest, context: Context
    ) -> FilterMissingUsersResponse:
        self.asked.append(list(request.user_ids))
        self.metadata.append(dict(context.invocation_metadata() or ()))
        missing = await self.answer(request.user_ids, context)
        return FilterMissingUsersResponse(missing_user_ids=missing)


@asynccontextmanager
async def serving(
    answer: Answer, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[Directory]:
    """Serve on loopback, in plaintext unless credentials are given."""
    directory = Directory(answer)
    server = grpc.aio.server()
    add_UserDirectoryServicer_to_server(directory, server)
    address = "127.0.0.1:0"
    if credentials:
        port = server.add_secure_port(address, credentials)
    else:
        port = server.add_insecure_port(address)
    directory.address = f"127.0.0.1:{port}"
    await server.start()
    try:
        yield directory
    finally:
        await server.stop(None)


def without(*missing: str) -> Answer:
    """Knows everybody but these."""

    async def answer(users: Sequence[str], _: object) -> Iterable[str]:
        return [user for user in users if user in missing]

    return answer


async def naming_others(_: Sequence[str], __: object) -> Iterable[str]:
    """Misses somebody whom nobody asked about."""
    return ["somebody-else"]


async def silent(_: Sequence[str], __: object) -> Iterable[str]:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


def failing(code: grpc.StatusCode, times: int = 1_000_000) -> Answer:
    """Fails so often, and then misses nobody."""
    left = times

    async def answer(_: Sequence[str], context: Context) -> Iterable[str]:
        nonlocal left
        if left:
            left -= 1
            await context.abort(code, "words of the directory")
        return []

    return answer
