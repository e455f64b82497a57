"""A call on its way through the interceptors, and how they are put together.

Interceptors are wrapped around each method once, when the server is built: grpc.aio's own would be
looked up and built anew for every call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import grpc
from google.protobuf.message import Message

from sessiond.domain.callers import Caller, Role

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC: its full name and the role that it needs."""

    name: str
    role: Role


@dataclass(slots=True)
class Call:
    """One call. The servicer notes what the request log should know of it."""

    method: Method
    request: Any
    context: Context
    metadata: dict[str, str]
    request_id: str
    caller: Caller = field(default=Caller("", Role.READER))
    session_id: str = ""
    outcome: str = ""
    by_refresh_token: bool = False


Handler: TypeAlias = Callable[[Call], Awaitable[Message]]


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
