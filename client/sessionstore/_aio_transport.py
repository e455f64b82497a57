# ruff: noqa: ASYNC109  the deadline travels with the call to the server
"""How `AsyncSessionClient` sends a call: within one event loop at a time."""

from __future__ import annotations

import asyncio
import os
import weakref
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from sessionstore._calls import Call
from sessionstore._channel import CLOSED, Connector, logged_as
from sessionstore._failures import error_of
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Opened:
    channel: grpc.aio.Channel
    stub: Any
    loop: asyncio.AbstractEventLoop
    pid: int


class AioTransport:
    """A channel for the running event loop; a new one once that loop is closed."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._opened: _Opened | None = None
        self._closed = False
        _transports.add(self)

    @property
    def timeout(self) -> float:
        return self._connector.timeout

    async def send(self, call: Call[T], timeout: float | None) -> T:
        method = getattr(self._stub(), call.method)
        request_id = logged_as(call)
        try:
            answer = await method(
                call.request,
                timeout=self.timeout if timeout is None else timeout,
                metadata=self._connector.metadata(request_id),
            )
        except grpc.RpcError as error:
            raise error_of(error, request_id) from error
        return call.read(answer)

    async def close(self) -> None:
        self._closed = True
        opened, self._opened = self._opened, None
        if opened and opened.loop is asyncio.get_running_loop():
            await opened.channel.close(None)

    def before_fork(self) -> None:
        """Let go of a channel that nobody uses now; gRPC cannot fork with one open."""
        if self._opened and not self._opened.loop.is_running():
            self._opened = None

    def _stub(self) -> Any:
        if self._closed:
            raise RuntimeError(CLOSED)
        loop = asyncio.get_running_loop()
        if self._opened and self._opened.pid != os.getpid():
            raise RuntimeError(
                "this AsyncSessionClient was in use when the process forked: "
                "fork before the first call, or outside the event loop"
            )
        if not self._opened or self._opened.loop.is_closed():
            channel = self._connector.aio_channel()
            self._opened = _Opened(channel, SessionServiceStub(channel), loop, os.getpid())
        if self._opened.loop is not loop:
            raise RuntimeError("this AsyncSessionClient belongs to another event loop")
        return self._opened.stub


_transports: weakref.WeakSet[AioTransport] = weakref.WeakSet()


def _before_fork() -> None:
    for transport in list(_transports):
        transport.before_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
