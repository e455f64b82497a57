"""How `SessionClient` sends a call: from any thread, and from any process it was forked into."""

from __future__ import annotations

import os
from typing import Any, TypeVar

import grpc

from sessionstore._calls import Call
from sessionstore._channel import CLOSED, Connector, logged_as
from sessionstore._failures import error_of
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub

T = TypeVar("T")

_Opened = tuple[grpc.Channel, SessionServiceStub]


class Transport:
    """A channel for each process, opened by the first call from there."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        # By process id. One that was inherited over a fork is kept and never touched: to close or
        # collect it there would write to the parent's connection. No lock: a fork could inherit it
        # locked by a thread that does not exist in the child.
        self._opened: dict[int, _Opened] = {}
        self._closed = False

    @property
    def timeout(self) -> float:
        return self._connector.timeout

    def send(self, call: Call[T], timeout: float | None) -> T:
        method = getattr(self._stub(), call.method)
        request_id = logged_as(call)
        try:
            answer = method(
                call.request,
                timeout=self.timeout if timeout is None else timeout,
                metadata=self._connector.metadata(request_id),
            )
        except grpc.RpcError as error:
            self._refuse_if_closed(error)
            raise error_of(error, request_id) from error
        except ValueError as error:  # gRPC's for a channel that another thread has closed
            self._refuse_if_closed(error)
            raise
        return call.read(answer)

    def close(self) -> None:
        self._closed = True
        if opened := self._opened.pop(os.getpid(), None):
            opened[0].close()

    def _stub(self) -> SessionServiceStub:
        self._refuse_if_closed()
        pid = os.getpid()
        if opened := self._opened.get(pid):
            return opened[1]
        opened = self._open()
        kept = self._opened.setdefault(pid, opened)
        if kept is not opened:
            opened[0].close()
        return kept[1]

    def _open(self) -> _Opened:
        channel = self._connector.channel()
        return channel, SessionServiceStub(channel)

    def _refuse_if_closed(self, cause: Any = None) -> None:
        if self._closed:
            raise RuntimeError(CLOSED) from cause
