"""The gRPC server: methods with their interceptors, and how it listens."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from sessiond.domain.callers import Role
from sessiond.domain.errors import StartupError
from sessiond.rpc.call import Call, Context, Handler, Interceptor, Method, compose
from sessiond.rpc.errors import REQUEST_ID_KEY
from sessiond.rpc.malformed import parse

_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,64}")


@dataclass(frozen=True, slots=True)
class Transport:
    """Where the server listens, and with which PEM certificate chain and key, if any."""

    listen: str
    certificate: tuple[bytes, bytes] | None
    max_request_bytes: int


def listening_server(transport: Transport) -> tuple[grpc.aio.Server, int]:
    """A server that has its port, and the port; it answers once it is started.

    Raises:
        StartupError: the address cannot be listened on, or the certificate is wrong.
    """
    server = grpc.aio.server(
        options=(
            ("grpc.max_receive_message_length", transport.max_request_bytes),
            ("grpc.so_reuseport", 0),
            # Clients may ping idle connections this often to learn that we are gone.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
        )
    )
    _check_address(transport.listen)
    try:
        if transport.certificate:
            chain, key = transport.certificate
            credentials = grpc.ssl_server_credentials([(key, chain)])
            port = server.add_secure_port(transport.listen, credentials)
        else:
            port = server.add_insecure_port(transport.listen)
    except RuntimeError:
        port = 0
    if not port:
        raise StartupError(
            f"cannot serve on {transport.listen}: is the certificate that of the key, both in PEM?"
        )
    return server, port


def _check_address(listen: str) -> None:
    """Try the address first: gRPC does not tell why it cannot have one."""
    host, _, port = listen.rpartition(":")
    try:
        infos = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = infos[0]
        with socket.socket(family, kind, protocol) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(address)
    except ValueError:
        raise StartupError(f"cannot listen on {listen}: give an address and a port") from None
    except OSError as error:
        raise StartupError(f"cannot listen on {listen}: {error.strerror}") from None


def add_service(
    server: grpc.aio.Server,
    service: ServiceDescriptor,
    servicer: object,
    roles: Mapping[str, Role],
    interceptors: Sequence[Interceptor],
) -> None:
    """Serve every method of a service with the servicer's handler of the same name."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for descriptor in service.methods:
        name = f"/{service.full_name}/{descriptor.name}"
        method = Method(name, roles[name])
        request_type = message_factory.GetMessageClass(descriptor.input_type)
        parsing = _parsed(request_type, getattr(servicer, descriptor.name))
        handler = compose(method, parsing, interceptors)
        handlers[descriptor.name] = grpc.unary_unary_rpc_method_handler(
            _behaviour(method, handler),
            response_serializer=_serialize,
        )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service.full_name, handlers),)
    )


def _serialize(reply: Message) -> bytes:
    return reply.SerializeToString()


def _parsed(request_type: type[Message], handler: Handler) -> Handler:
    async def parsed(call: Call) -> Message:
        call.request = parse(request_type, call.request)
        return await handler(call)

    return parsed


def _behaviour(method: Method, handler: Handler) -> Callable[[Any, Context], Awaitable[Message]]:
    async def behave(request: Any, context: Context) -> Message:
        pairs = context.invocation_metadata() or ()
        metadata = {key: value for key, value in pairs if isinstance(value, str)}
        request_id = metadata.get(REQUEST_ID_KEY, "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = secrets.token_hex(16)
        return await handler(Call(method, request, context, metadata, request_id))

    return behave
