"""`sessiond health`: ask a running server on this machine whether it serves."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sessiond.commands.setting_flags import loaded
from sessiond.domain.errors import StartupError
from sessiond.rpc.health import LIVENESS

_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  not listened on
_DIRECT: Final = ("grpc.enable_http_proxy", 0)
"""The server is on this machine, whatever proxy the environment names for others."""


def run(arguments: argparse.Namespace) -> None:
    """Print the status.

    Raises:
        StartupError: it is not SERVING, or there is no answer.
    """
    request = health_pb2.HealthCheckRequest(service=LIVENESS if arguments.live else "")
    with _channel(arguments) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(request, timeout=arguments.timeout)
        except grpc.RpcError as error:
            raise StartupError(f"no health: {error.code().name}, {error.details()}") from None
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise StartupError(status)
    print(status)


def _channel(arguments: argparse.Namespace) -> grpc.Channel:
    if arguments.address:
        return grpc.insecure_channel(arguments.address, [_DIRECT])
    settings = loaded(arguments).settings
    address = _dialled(settings.health_listen or settings.listen)
    if settings.tls_cert_file and not settings.health_listen:
        return _own_certificate(address, settings.tls_cert_file)
    return grpc.insecure_channel(address, [_DIRECT])


def _dialled(listen: str) -> str:
    """Where to reach on this machine what listens there."""
    host, _, port = listen.rpartition(":")
    return f"{_ANY_ADDRESS.get(host, host)}:{port}"


def _own_certificate(address: str, path: Path) -> grpc.Channel:
    """A channel that trusts the server's own certificate, under a name that it is for."""
    try:
        # The first of the chain alone: its authority may have given others the same name.
        own = x509.load_pem_x509_certificates(path.read_bytes())[0]
        found = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise StartupError(f"{path} tells no name to ask for: {error}") from None
    hosts = found.get_values_for_type(x509.DNSName)
    addresses = found.get_values_for_type(x509.IPAddress)
    name = next(iter([*hosts, *map(str, addresses)]), "").replace("*", "health")
    return grpc.secure_channel(
        address,
        grpc.ssl_channel_credentials(own.public_bytes(serialization.Encoding.PEM)),
        [_DIRECT, ("grpc.ssl_target_name_override", name)],
    )
