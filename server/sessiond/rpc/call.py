"""A call on its way through the interceptors, and how they are put together.

Interceptors are wrapped around each method once, when the server is built: grpc.aio's own would be
looked up and built anew for every call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from sessiond.domain.callers import Caller, Role
from sessiond.domain.errors import DeadlineExceededError

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
PATIENCE_S: Final = 300.0
"""How long the client of a stream may neither send nor read: meanwhile it keeps others out."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC: its full name, and the role that it needs."""

    name: str
    role: Role
    kind: str = "unary"
    """Who streams: unary, client_stream, server_stream or bidi_stream, as dashboards call it."""
    long: bool = False
    """Whether it takes as long as its work: streams do, and a few others."""
    standing: bool = False
    """Whether it stays open by design, and has a bound of its own."""


@dataclass(slots=True)
class Traffic:
    """Messages that came and went, in one call or in all of a method."""

    received: int = 0
    sent: int = 0


@dataclass(slots=True)
class Call:
    """One call. The servicer notes what the logs should know of it."""

    method: Method
    request: Any
    """The request message; of a stream of requests, see `requests`."""
    context: Context
    metadata: dict[str, str]
    request_id: str
    caller: Caller = field(default=Caller("", Role.READER))
    session_id: str = ""
    outcome: str = ""
    by_refresh_token: bool = False
    code: str = "CANCELLED"
    """How it ended, once it has."""
    reason: str = ""
    act: dict[str, Any] = field(default_factory=dict)
    """What the audit log should know of it: on what, how many."""
    trace_id: str = ""
    """The trace that it is a part of, in hexadecimal; empty where calls are not traced."""
    span_id: str = ""
    traffic: Traffic = field(default_factory=Traffic)
    """Where its messages are counted."""
    held_s: float = 0.0
    """For how long its refusal was held back: no time that the server took."""
    is_welcome: Callable[[], bool] = lambda: True
    """Whether its caller would be let in again: a standing call asks from time to time."""

    @property
    def requests(self) -> AsyncIterator[Any]:
        """The messages of a stream of requests.

        Each is read when it is asked for, so that a slow handler slows its client.
        """
        messages: AsyncIterator[Any] = self.request
        return messages

    async def send(self, message: Message | bytes) -> None:
        """Send one message of a stream of replies, which may be serialized already.

        Waits while the client does not read.
        """
        try:
            await patiently(self.context.write(message))
            self.traffic.sent += 1
        except grpc.aio.InternalError:
            # The client went away: the handler's cancellation is on its way.
            raise asyncio.CancelledError from None


async def patiently(client: Awaitable[_T]) -> _T:
    """Wait for the client of a stream.

    Raises:
        DeadlineExceededError: it took longer than it may.
    """
    patience = asyncio.timeout(PATIENCE_S)
    try:
        async with patience:
            return await client
    except TimeoutError:
        if not patience.expired():
            raise
        raise DeadlineExceededError("the client neither sent nor read for too long") from None


Reply: TypeAlias = Message | None
"""What a handler returns; None of one that has sent its replies."""
Handler: TypeAlias = Callable[[Call], Awaitable[Reply]]


class Interceptor(Protocol):
    """Wraps a method's handler, once."""

    def wrap(self, method: Method, handler: Handler, /) -> Handler:
        """The handler with this interceptor around it."""
        ...


def compose(method: Method, handler: Handler, interceptors: Sequence[Interceptor]) -> Handler:
    """The handler with all interceptors around it, the first one outermost."""
    for interceptor in reversed(interceptors):
        handler = interceptor.wrap(method, handler)
    return handler
