"""How both clients reach the service: channel options, retries, deadline and metadata."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from os import PathLike
from typing import Any

import grpc

from sessionstore._call import Call
from sessionstore._certificate import Certificate
from sessionstore._endpoint import TLS, Endpoint, endpoint
from sessionstore._failures import REQUEST_ID_KEY
from sessionstore._requests import new_request_id
from sessionstore._token import TokenSource, checked, token_source
from sessionstore._version import __version__
from sessionstore.v1 import admin_service_pb2, session_service_pb2

DEFAULT_TIMEOUT_S = 5.0

_SESSIONS = session_service_pb2.DESCRIPTOR.services_by_name["SessionService"]
_ADMIN = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"]
_RUN_JOB = {"service": _ADMIN.full_name, "method": "RunJob"}
"""Never tried again: the second try would find the job running."""

# Tries at once and after about 0.05, 0.25, 1 and 2 s, which bridges a server's quick restart. More
# than 5 attempts gRPC does not make.
_RETRY_POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 4,
    # A server that stops takes no new call any more, and gRPC has it cancel those that had come
    # already. What the caller cancels itself is never tried again.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}

_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [
                {"service": service.full_name, "method": method.name}
                for service in (_SESSIONS, _ADMIN)
                for method in service.methods
                if method.name != _RUN_JOB["method"]
                and not (method.client_streaming or method.server_streaming)
            ],
            "retryPolicy": _RETRY_POLICY,
        },
        # Instead it waits until a server can be reached, which does nothing twice.
        {"name": [_RUN_JOB], "waitForReady": True},
    ]
}

# 1,000 validated sessions with every field at its limit are 4.6 MiB; 1,000 access tokens 4 MiB.
_LARGEST_MESSAGE = 8 * 1024 * 1024

_OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.primary_user_agent", f"sessionstore-python/{__version__}"),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
    # gRPC does not retry a call that outgrew this buffer; its default of 256 KiB is 400 tokens.
    ("grpc.per_rpc_retry_buffer_size", _LARGEST_MESSAGE),
    # A connection that is dead in one direction is found out within 25 s. Any ping may be the one
    # that finds out, not only those of keepalive, and gRPC would wait a minute for it.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # gRPC waits a second before it connects again, by default: longer than most retries.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # How long an attempt to connect may take: TLS over a far way takes a second.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Channels share connections by default, in a forked child also with those of its parent.
    ("grpc.use_local_subchannel_pool", 1),
)

_SENDABLE_ID = re.compile(r"[\x21-\x7e]{1,36}")


class ClosedError(RuntimeError):
    """The client was used after its `close`, or closed while it was in use."""

    def __init__(self) -> None:
        super().__init__("this client is closed")


@dataclass(frozen=True, slots=True)
class Connector:
    """All that it takes to call the service, from any process and any event loop."""

    endpoint: Endpoint
    token: TokenSource | None
    """None if the certificate says who calls."""
    timeout: float

    def certificate(self) -> Certificate | None:
        """What to show the server, as of now: a channel shows what it was made with."""
        return self.endpoint.certificate()

    def channel(self, certificate: Certificate | None) -> grpc.Channel:
        """A channel of its own; it connects with its first call."""
        if not self.endpoint.tls:
            return grpc.insecure_channel(self.endpoint.target, self._options())
        credentials = self._credentials(certificate)
        return grpc.secure_channel(self.endpoint.target, credentials, self._options())

    def aio_channel(self, certificate: Certificate | None) -> grpc.aio.Channel:
        """The same for the running event loop."""
        if not self.endpoint.tls:
            return grpc.aio.insecure_channel(self.endpoint.target, self._options())
        credentials = self._credentials(certificate)
        return grpc.aio.secure_channel(self.endpoint.target, credentials, self._options())

    def metadata(self, request_id: str) -> tuple[tuple[str, str], ...]:
        """What goes with a call: who calls, and what the logs call it."""
        named = (REQUEST_ID_KEY, request_id)
        if self.token is None:
            return (named,)
        return (("authorization", f"Bearer {checked(self.token())}"), named)

    def _credentials(self, certificate: Certificate | None) -> grpc.ChannelCredentials:
        shown = (certificate.key, certificate.chain) if certificate else ()
        return grpc.ssl_channel_credentials(self.endpoint.root_certificates, *shown)

    def _options(self) -> tuple[tuple[str, str | int], ...]:
        if not self.endpoint.tls:
            # Through a proxy of the environment, clear text would leave the machine after all.
            plain = (*_OPTIONS, ("grpc.enable_http_proxy", 0))
            first, comma, _ = self.endpoint.target.partition(",")
            # gRPC would name all of several addresses, which is no authority (RFC 9110, 7.2).
            named = (("grpc.default_authority", first.partition(":")[2]),) if comma else ()
            return (*plain, *named)
        if self.endpoint.server_name:
            return (*_OPTIONS, ("grpc.ssl_target_name_override", self.endpoint.server_name))
        return _OPTIONS


def connector(
    address: str | None,
    *,
    token: str | TokenSource | None,
    token_file: str | PathLike[str] | None,
    tls: bool | TLS | None,
    plaintext: bool,
    timeout: float,
) -> Connector:
    """Check what a client is made with; connects to nothing.

    Raises:
        ValueError, TypeError, OSError: see `SessionClient`.
    """
    if timeout <= 0:
        raise ValueError("timeout must be above 0 seconds")
    where = endpoint(address, tls, plaintext=plaintext)
    needed = where.certificate() is None
    # The server would take a token before the certificate that was named instead of one.
    asked = not (isinstance(tls, TLS) and tls.cert_file)
    source = token_source(token, token_file, needed=needed, environment=asked)
    return Connector(where, source, timeout)


def logged_as(call: Call[Any]) -> str:
    """The call's id in the logs: its request id, unless that is one that no header can carry."""
    return call.request_id if _SENDABLE_ID.fullmatch(call.request_id) else new_request_id()
