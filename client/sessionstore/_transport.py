"""How clients send a call from any thread, and from any process that they were forked into."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import grpc

from sessionstore._call import Call, Stream
from sessionstore._certificate import Certificate
from sessionstore._channel import ClosedError, Connector, logged_as
from sessionstore._failures import error_of
from sessionstore._resumption import Resumption
from sessionstore.errors import SessionStoreError, Unavailable

T = TypeVar("T")

_LEFT: Final = 2
"""The channel of the certificate, and the one before it."""


@dataclass(frozen=True, slots=True)
class _Opened:
    channel: grpc.Channel
    stub: Any


class Answers(Iterator[Any]):
    """The messages of one stream, as they come; it may be closed by another thread."""

    def __init__(self, messages: Any, failures: Callable[[], AbstractContextManager[None]]) -> None:
        self._messages = messages
        self._failures = failures
        self._closed = False

    def __next__(self) -> Any:
        try:
            with self._failures():
                return next(self._messages)
        except SessionStoreError:
            if self._closed:
                raise StopIteration from None
            raise

    def close(self) -> None:
        """End the stream. Whoever waits for its next message is told that there is none."""
        self._closed = True
        self._messages.cancel()


class Transport:
    """A channel for each process, opened by the first call from there.

    A renewed certificate takes another channel; the one before lives on for the calls it has.
    """

    def __init__(self, connector: Connector, stub: Callable[[grpc.Channel], Any]) -> None:
        self._connector = connector
        self._make_stub = stub
        # By process id and certificate, oldest first. One that was inherited over a fork is kept
        # and never touched: to close or collect it there would write to the parent's connection.
        # No lock: a fork could inherit it locked by a thread that does not exist in the child.
        self._opened: dict[tuple[int, Certificate | None], _Opened] = {}
        self._closed = False

    @property
    def timeout(self) -> float:
        return self._connector.timeout

    def send(self, call: Call[T], timeout: float | None) -> T:
        method = getattr(self._stub(), call.method)
        request_id = logged_as(call)
        with self._failures(request_id):
            answer = method(
                call.request,
                timeout=self.timeout if timeout is None else timeout,
                metadata=self._connector.metadata(request_id),
            )
        return call.read(answer)

    def stream(self, stream: Stream[T], timeout: float | None) -> Generator[T, None, None]:
        """The answers, gone on with if the service goes away for a moment; no deadline if None."""
        deadline = None if timeout is None else time.monotonic() + timeout
        place = Resumption(stream)
        while True:
            remaining = None if deadline is None else deadline - time.monotonic()
            try:
                with closing(self.open(place.stream, remaining)) as answers:
                    for answer in answers:
                        place.passed(answer)
                        yield stream.read(answer)
            except Unavailable as error:
                time.sleep(place.delay(error))
            else:
                return

    def open(self, stream: Stream[Any], timeout: float | None) -> Answers:
        """Send the request of one stream, which is not gone on with; no deadline if None."""
        method = getattr(self._stub(), stream.method)
        request_id = logged_as(stream)
        with self._failures(request_id):
            messages = method(
                stream.request, timeout=timeout, metadata=self._connector.metadata(request_id)
            )
        return Answers(messages, partial(self._failures, request_id))

    @contextmanager
    def _failures(self, request_id: str) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            self._refuse_if_closed(error)
            raise error_of(error, request_id) from error
        except ValueError as error:  # gRPC's for a channel that another thread has closed
            self._refuse_if_closed(error)
            raise

    def close(self) -> None:
        self._closed = True
        self._close_all_but(0)

    def _stub(self) -> Any:
        self._refuse_if_closed()
        certificate = self._connector.certificate()
        key = (os.getpid(), certificate)
        if opened := self._opened.get(key):
            return opened.stub
        opened = self._open(certificate)
        kept = self._opened.setdefault(key, opened)
        if kept is not opened:
            opened.channel.close()
        self._close_all_but(_LEFT)
        return kept.stub

    def _close_all_but(self, left: int) -> None:
        """Close this process's channels but for the newest: gRPC never does by itself."""
        pid = os.getpid()
        mine = [key for key in list(self._opened) if key[0] == pid]
        for key in mine[: len(mine) - left]:
            if opened := self._opened.pop(key, None):
                opened.channel.close()

    def _open(self, certificate: Certificate | None) -> _Opened:
        channel = self._connector.channel(certificate)
        return _Opened(channel, self._make_stub(channel))

    def _refuse_if_closed(self, cause: Any = None) -> None:
        if self._closed:
            raise ClosedError from cause
