"""What a gRPC server answers: methods with their interceptors, and its stop."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn, Self

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from sessiond.domain.callers import Role
from sessiond.domain.errors import StartupError
from sessiond.rpc.call import Call, Context, Handler, Interceptor, Method, Reply, compose, patiently
from sessiond.rpc.errors import REQUEST_ID_KEY
from sessiond.rpc.interceptors.long_calls import LongCalls
from sessiond.rpc.malformed import parse
from sessiond.rpc.methods import LONG, STANDING
from sessiond.rpc.rpc_server import RpcServer

_LAST_WORDS_S: Final = 0.2
"""Enough to tell callers why their long calls end."""
_CANCELLED_WITHIN_S: Final = 0.05
"""After the last request: a handler that is not cancelled by then has read them all."""
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,64}")


def add_service(
    server: RpcServer,
    service: ServiceDescriptor,
    servicer: object,
    roles: Mapping[str, Role],
    interceptors: Sequence[Interceptor],
) -> None:
    """Serve every method of a service with the servicer's handler of the same name."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for descriptor in service.methods:
        name = f"/{service.full_name}/{descriptor.name}"
        kind = _KINDS[descriptor.client_streaming, descriptor.server_streaming]
        method = Method(
            name,
            roles[name],
            kind.name,
            long=kind is not _UNARY or name in LONG,
            standing=name in STANDING,
        )
        parsing = _parsed(descriptor, getattr(servicer, descriptor.name))
        handler = compose(method, parsing, interceptors)
        handlers[descriptor.name] = kind.make(
            _behaviour(method, handler), response_serializer=_serialize
        )
    server.add_registered_method_handlers(service.full_name, handlers)


async def stop(server: RpcServer, long_calls: LongCalls, drain_s: float) -> None:
    """Take no more calls; calls in flight may finish within the drain time, in seconds."""
    stopping = asyncio.create_task(server.stop(drain_s + _LAST_WORDS_S))
    await asyncio.wait([stopping], timeout=drain_s)
    long_calls.end()
    await stopping


async def ended(server: RpcServer, address: str) -> NoReturn:
    """Wait until a server takes no more calls, though no stop was asked for.

    Raises:
        StartupError: that is so.
    """
    await server.until_over()
    raise StartupError(f"gRPC takes no more calls on {address}: start the server again")


class _Kind(NamedTuple):
    """A kind of method: its name, and how gRPC is told of a handler."""

    name: str
    make: Callable[..., grpc.RpcMethodHandler[Any, Any]]


_UNARY: Final = _Kind("unary", grpc.unary_unary_rpc_method_handler)
_KINDS: Final[Mapping[tuple[bool, bool], _Kind]] = {
    (False, False): _UNARY,
    (False, True): _Kind("server_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): _Kind("client_stream", grpc.stream_unary_rpc_method_handler),
    (True, True): _Kind("bidi_stream", grpc.stream_stream_rpc_method_handler),
}
"""By whether the client and the server stream."""


def _serialize(reply: Message | bytes) -> bytes:
    return reply if isinstance(reply, bytes) else reply.SerializeToString()


class _Requests:
    """Reads a stream of requests, each when it is asked for."""

    def __init__(self, request_type: type[Message], call: Call) -> None:
        self._request_type = request_type
        self._call = call

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        data: Any = await patiently(self._call.context.read())
        if data is grpc.aio.EOF:  # type: ignore[attr-defined]
            # To grpc.aio a cancelled call ends its requests too, before it cancels the handler.
            await asyncio.sleep(_CANCELLED_WITHIN_S)
            raise StopAsyncIteration
        self._call.traffic.received += 1
        return parse(self._request_type, data)


def _parsed(descriptor: MethodDescriptor, handler: Handler) -> Handler:
    request_type = message_factory.GetMessageClass(descriptor.input_type)
    streamed = descriptor.client_streaming

    async def parsed(call: Call) -> Reply:
        if streamed:
            call.request = _Requests(request_type, call)
        else:
            call.request = parse(request_type, call.request)
        return await handler(call)

    return parsed


def _behaviour(
    method: Method, handler: Handler
) -> Callable[[Any, Context], Coroutine[Any, Any, Reply]]:
    async def behave(request: Any, context: Context) -> Reply:
        pairs = context.invocation_metadata() or ()
        metadata = {key: value for key, value in pairs if isinstance(value, str)}
        request_id = metadata.get(REQUEST_ID_KEY, "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = secrets.token_hex(16)
        return await handler(Call(method, request, context, metadata, request_id))

    return behave
