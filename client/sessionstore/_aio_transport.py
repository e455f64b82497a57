# ruff: noqa: ASYNC109  the deadline travels with the call to the server
"""How the clients for asyncio send a call: within one event loop at a time."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from sessionstore._call import Call, Stream
from sessionstore._certificate import Certificate
from sessionstore._channel import ClosedError, Connector, logged_as
from sessionstore._failures import error_of
from sessionstore._resumption import Resumption
from sessionstore.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Opened:
    channel: grpc.aio.Channel
    stub: Any
    loop: asyncio.AbstractEventLoop
    pid: int
    certificate: Certificate | None
    before: grpc.aio.Channel | None
    """That of the certificate before: to collect it would end the calls it has."""


class AioTransport:
    """A channel for the running event loop; a new one once that loop is closed.

    A renewed certificate takes another channel; the one before lives on for the calls it has.
    """

    def __init__(self, connector: Connector, stub: Callable[[grpc.aio.Channel], Any]) -> None:
        self._connector = connector
        self._make_stub = stub
        self._opened: _Opened | None = None
        self._closed = False
        self._streams = 0
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

    async def stream(self, stream: Stream[T], timeout: float | None) -> AsyncGenerator[T, None]:
        """The answers, gone on with if the service goes away for a moment; no deadline if None."""
        deadline = None if timeout is None else time.monotonic() + timeout
        place = Resumption(stream)
        while True:
            remaining = None if deadline is None else deadline - time.monotonic()
            try:
                async with aclosing(self._answers(place.stream, remaining)) as answers:
                    async for answer in answers:
                        place.passed(answer)
                        yield stream.read(answer)
            except Unavailable as error:
                await asyncio.sleep(place.delay(error))
            else:
                return

    async def _answers(self, stream: Stream[T], timeout: float | None) -> AsyncGenerator[Any, None]:
        method = getattr(self._stub(), stream.method)
        request_id = logged_as(stream)
        answers = method(
            stream.request, timeout=timeout, metadata=self._connector.metadata(request_id)
        )
        self._streams += 1
        try:
            async for answer in answers:
                yield answer
        except grpc.RpcError as error:
            raise error_of(error, request_id) from error
        finally:
            self._streams -= 1
            answers.cancel()

    async def close(self) -> None:
        self._closed = True
        opened, self._opened = self._opened, None
        if opened and opened.loop is asyncio.get_running_loop():
            await opened.channel.close(None)
            if opened.before:
                await opened.before.close(None)

    def before_fork(self) -> None:
        """Let go of a channel that nobody uses now; gRPC cannot fork with one open."""
        if self._opened and not self._in_use(self._opened.loop):
            self._opened = None

    def _in_use(self, loop: asyncio.AbstractEventLoop) -> bool:
        return loop.is_running() or (self._streams > 0 and not loop.is_closed())

    def _stub(self) -> Any:
        if self._closed:
            raise ClosedError
        loop = asyncio.get_running_loop()
        if self._opened and self._opened.pid != os.getpid():
            raise RuntimeError(
                "this client was in use when the process forked: "
                "fork before the first call, or outside the event loop with no stream open"
            )
        certificate = self._connector.certificate()
        if not self._opened or self._opened.loop.is_closed():
            self._opened = self._open(certificate, None)
        if self._opened.loop is not loop:
            raise RuntimeError("this client belongs to another event loop")
        if self._opened.certificate is not certificate:
            self._opened = self._open(certificate, self._opened.channel)
        return self._opened.stub

    def _open(self, certificate: Certificate | None, before: grpc.aio.Channel | None) -> _Opened:
        channel = self._connector.aio_channel(certificate)
        stub, loop = self._make_stub(channel), asyncio.get_running_loop()
        return _Opened(channel, stub, loop, os.getpid(), certificate, before)


_transports: weakref.WeakSet[AioTransport] = weakref.WeakSet()


def _before_fork() -> None:
    for transport in list(_transports):
        transport.before_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
