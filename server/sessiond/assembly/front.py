"""The gRPC side of a server: its services behind their interceptors, health and reflection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

import grpc
from grpc_reflection.v1alpha import reflection

from sessiond.ops.audit_file import AuditFile
from sessiond.rpc.call import Interceptor
from sessiond.rpc.health import Health
from sessiond.rpc.interceptors.audit_trail import AuditTrail, Keep
from sessiond.rpc.interceptors.call_figures import CallFigures
from sessiond.rpc.interceptors.caller_limits import CallerLimit
from sessiond.rpc.interceptors.credentials import Credentials, Permissions
from sessiond.rpc.interceptors.deadline import Deadline
from sessiond.rpc.interceptors.errors import ErrorBoundary
from sessiond.rpc.interceptors.long_calls import LongCalls
from sessiond.rpc.interceptors.overload import OverloadGuard
from sessiond.rpc.interceptors.request_log import RequestLog
from sessiond.rpc.listening import Transport, listening_server
from sessiond.rpc.methods import ROLES, SERVICES
from sessiond.rpc.server import add_service, ended, stop
from sessiond.rpc.tls import Tls, TlsFiles
from sessiond.settings import Settings
from sessiond.tokens.callers import Callers
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.service import ServiceTokens
from sessionstore.v1 import admin_service_pb2, session_service_pb2

_HEALTH_SERVICE: Final = "grpc.health.v1.Health"
_MOST_LONG_CALLS: Final = 4
"""Long calls of AdminService at a time: each takes up to half of an engine's time."""


class Front:
    """Listens from the first, and answers once it is started."""

    def __init__(
        self,
        settings: Settings,
        ring: KeyRing,
        callers: Callers,
        tracing: Iterable[Interceptor] = (),
    ) -> None:
        """Take the address.

        Args:
            settings: of this server.
            ring: verifies service tokens.
            callers: who may call.
            tracing: sees every call that is counted.

        Raises:
            StartupError: the address, a certificate or the audit log cannot be used.
        """
        self._settings = settings
        files = _tls_files(settings)
        self.tls: Final = Tls(files) if files else None
        """The certificates; None in plaintext."""
        self._long_calls = LongCalls()
        self.figures: Final = CallFigures()
        self._chain = (
            self.figures,
            *tracing,
            RequestLog(ring.pseudonym),
            AuditTrail(ring.pseudonym, _audit_file(settings)),
            ErrorBoundary(),
            Deadline(settings.max_call_time.total_seconds()),
            self._long_calls,
            Credentials(ServiceTokens(ring, leeway_s=ring.lifetimes.leeway_s), callers),
            CallerLimit(),
            Permissions(),
            # Behind the limits of callers: refusals that these hold back are no work in flight.
            OverloadGuard(settings.max_in_flight),
        )
        transport = Transport(
            settings.listen,
            self.tls.credentials() if self.tls else None,
            settings.max_request_bytes,
            settings.max_connection_age.total_seconds(),
            shared_port=settings.workers is not None,
            native=settings.transport == "native",
        )
        self._server, port = listening_server(transport)
        self.address: Final = f"{settings.listen.rpartition(':')[0]}:{port}"
        self.health: Final = Health(self._server)

    def add_services(self, sessions: object, operators: object) -> None:
        """Serve SessionService and AdminService with these servicers."""
        of_sessions = session_service_pb2.DESCRIPTOR.services_by_name["SessionService"]
        of_operators = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"]
        most = OverloadGuard(_MOST_LONG_CALLS, long_only=True)
        add_service(self._server, of_sessions, sessions, ROLES, self._chain)
        add_service(self._server, of_operators, operators, ROLES, (*self._chain, most))

    async def start(self) -> None:
        """Answer; not healthy yet."""
        settings = self._settings
        self.health.set(serving=False)
        if settings.reflection if settings.reflection is not None else settings.dev:
            names = (*SERVICES, _HEALTH_SERVICE, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, cast("grpc.aio.Server", self._server))
        await self._server.start()

    async def ended(self) -> None:
        """Wait until nobody can call, though no stop was asked for.

        Raises:
            StartupError: that is so.
        """
        await ended(self._server, self.address)

    async def stop(self) -> None:
        """Tell of it, drain, and answer no more."""
        await self.health.stop()
        await stop(self._server, self._long_calls, self._settings.drain_time.total_seconds())


def check_certificate(settings: Settings) -> None:
    """Read the certificates and the key, if any, as a start would.

    Raises:
        StartupError: they cannot be used.
    """
    if files := _tls_files(settings):
        Tls(files)


def _audit_file(settings: Settings) -> Keep | None:
    path = settings.audit_log_file
    return AuditFile(path).append if path else None


def _tls_files(settings: Settings) -> TlsFiles | None:
    if not (settings.tls_cert_file and settings.tls_key_file):
        return None
    return TlsFiles(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)
