"""The gRPC servers that there are to choose from, and how each listens."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Final

import grpc

from sessiond.address import bound_socket
from sessiond.domain.errors import StartupError
from sessiond.rpc.grpcio import grpcio_server
from sessiond.rpc.rpc_server import RpcServer

_KEEPALIVE: Final = (
    # Clients may ping idle connections this often to learn that we are gone.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
)


@dataclass(frozen=True, slots=True)
class Transport:
    """How the server is reached; without credentials, in plaintext."""

    listen: str
    credentials: grpc.ServerCredentials | None
    max_request_bytes: int
    max_connection_age_s: float
    """Give or take a tenth; calls that a connection has are finished."""
    shared_port: bool = False
    """Whether other processes listen on it too."""
    native: bool = False
    """Whether pygrpc-native serves: in plaintext, on connections of any age."""


def listening_server(transport: Transport) -> tuple[RpcServer, int]:
    """A server that has its port, and the port; it answers once it is started.

    Raises:
        StartupError: the address cannot be listened on, the certificate is wrong, or what serves is
            not installed.
    """
    options = (
        ("grpc.max_receive_message_length", transport.max_request_bytes),
        ("grpc.so_reuseport", int(transport.shared_port)),
        *_KEEPALIVE,
    )
    server: RpcServer
    if transport.native:
        server = native_module().native_server(options)
    else:
        age = ("grpc.max_connection_age_ms", round(transport.max_connection_age_s * 1000))
        server = grpcio_server((*options, age))
    if not transport.shared_port:
        # Tried first: gRPC does not tell why it cannot have an address.
        bound_socket(transport.listen).close()
    try:
        if transport.credentials:
            port = server.add_secure_port(transport.listen, transport.credentials)
        else:
            port = server.add_insecure_port(transport.listen)
    except RuntimeError as error:
        asked = ": is the certificate that of the key, both in PEM?"
        raise StartupError(
            f"cannot serve on {transport.listen}{asked if transport.credentials else f': {error}'}"
        ) from None
    return server, port


def native_module() -> ModuleType:
    """`sessiond.rpc.native`.

    Raises:
        StartupError: what it needs is not installed, or in another version.
    """
    try:
        module = importlib.import_module("sessiond.rpc.native")
    except ImportError as error:
        raise StartupError(
            f"SESSIOND_TRANSPORT: {error}: pip install 'sessionstore[native]'"
        ) from None
    module.check_version()
    return module
