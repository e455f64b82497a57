"""A service whose every RPC streams, and does what a test says, behind the real interceptors."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final, Generic, TypeVar

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.wrappers_pb2 import BytesValue

from sessiond.assembly import front
from sessiond.domain.callers import Role
from sessiond.rpc.call import Call, Interceptor, Reply
from sessiond.rpc.methods import SESSION_SERVICE
from sessiond.rpc.rpc_server import RpcServer
from sessiond.rpc.server import add_service
from tests.rpc.serving import Server, eventually

R = TypeVar("R")
Work = Callable[[Call], Awaitable[Reply]]

_KINDS: Final = {"Down": (False, True), "Up": (True, False), "Both": (True, True)}
"""By name: whether the client and the server stream."""
RPCS: Final = tuple(_KINDS)
_NAME: Final = "tests.Streams"
_TIMEOUT_S: Final = 15.0


def _described() -> ServiceDescriptor:
    file = FileDescriptorProto(
        name="tests/streams.proto",
        package="tests",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    service = file.service.add(name="Streams")
    for name, (up, down) in _KINDS.items():
        service.method.add(
            name=name,
            input_type=".google.protobuf.BytesValue",
            output_type=".google.protobuf.BytesValue",
            client_streaming=up,
            server_streaming=down,
        )
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    found: ServiceDescriptor = descriptor_pool.Default().FindServiceByName(_NAME)
    return found


_SERVICE: Final = _described()


class Streams:
    """Its handlers, and how many of them have begun and are over."""

    def __init__(self) -> None:
        self.work: Work = _nothing
        self.begun = 0
        self.over = 0

    async def _run(self, call: Call) -> Reply:
        self.begun += 1
        try:
            return await self.work(call)
        finally:
            self.over += 1

    Down = Up = Both = _run

    def add_beside(self, patch: pytest.MonkeyPatch) -> None:
        """Serve them by every server that starts from now on, as it serves SessionService."""

        def add(
            server: RpcServer,
            service: ServiceDescriptor,
            servicer: object,
            roles: Mapping[str, Role],
            interceptors: Sequence[Interceptor],
        ) -> None:
            add_service(server, service, servicer, roles, interceptors)
            if service.full_name == SESSION_SERVICE:
                needed = {f"/{_NAME}/{rpc}": Role.WRITER for rpc in RPCS}
                add_service(server, _SERVICE, self, needed, interceptors)

        patch.setattr(front, "add_service", add)


async def _nothing(_: Call) -> Reply:
    return BytesValue()


class Caller:
    """Calls of one caller to a server's streams."""

    def __init__(self, server: Server, token: str | None = None, *options: tuple[str, int]) -> None:
        channel = server.channel("", *options)
        token = server.mint("writer") if token is None else token
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        kinds = {
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        self._calls: dict[str, Any] = {
            rpc: kinds[kind](f"/{_NAME}/{rpc}", bytes, BytesValue.FromString)
            for rpc, kind in _KINDS.items()
        }

    def down(self, data: bytes = b"", *, timeout_s: float = _TIMEOUT_S) -> Any:
        return self._calls["Down"](wire(data), timeout=timeout_s, metadata=self._metadata)

    def up(self, requests: Iterator[bytes], *, timeout_s: float = _TIMEOUT_S) -> Any:
        """A call whose answer is its `result()`."""
        return self._calls["Up"].future(requests, timeout=timeout_s, metadata=self._metadata)

    def both(self, requests: Iterator[bytes], *, timeout_s: float = _TIMEOUT_S) -> Any:
        return self._calls["Both"](requests, timeout=timeout_s, metadata=self._metadata)

    def finish(self, rpc: str, requests: Sequence[bytes] = ()) -> list[bytes]:
        """An RPC from its beginning to its end: what it gave."""
        if rpc == "Down":
            return [reply.value for reply in self.down(b"".join(requests))]
        if rpc == "Up":
            return [self.up(iter(requests)).result().value]
        return [reply.value for reply in self.both(iter(requests))]


async def join(call: Call) -> BytesValue:
    """Answer all requests with one reply."""
    return BytesValue(value=b"".join([request.value async for request in call.requests]))


async def endless(call: Call) -> None:
    """Send numbers without end."""
    for number in count():
        await call.send(BytesValue(value=b"%d" % number))
        await asyncio.sleep(0.001)


def wire(data: bytes) -> bytes:
    """A request with these bytes."""
    return BytesValue(value=data).SerializeToString()


class Requests(Generic[R]):
    """A stream of requests that a test feeds, and that stays open until it is closed."""

    def __init__(self) -> None:
        self._waiting: list[R] = []
        self._changed = threading.Condition()
        self._closed = False

    def __iter__(self) -> Iterator[R]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                request = self._waiting.pop(0)
            yield request

    def send(self, request: R) -> None:
        with self._changed:
            self._waiting.append(request)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()


def settled(count: Callable[[], int], *, for_s: float = 0.5) -> int:
    """A count, once it has not moved for a while."""
    seen: list[int] = [-1]
    steps = int(for_s / 0.01)

    def still() -> bool:
        seen.append(count())
        return len(seen) > steps and len(set(seen[-steps:])) == 1

    eventually(still)
    return seen[-1]
