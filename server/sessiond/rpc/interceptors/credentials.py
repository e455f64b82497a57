"""Finds out which caller calls, and whether its role suffices.

Two interceptors: what a caller takes of the server by calls that it has no right to counts too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from sessiond.domain.callers import Caller
from sessiond.domain.errors import (
    CredentialsInvalidError,
    CredentialsMissingError,
    RoleRequiredError,
    SessionStoreError,
)
from sessiond.rpc.call import Call, Handler, Method, Reply
from sessiond.tokens.callers import Callers
from sessiond.tokens.client_certificates import ClientCertificate, read_certificate
from sessiond.tokens.service import ServiceTokens

_HEADER: Final = "authorization"
_SCHEME: Final = "bearer"
_PEER_CERTIFICATE: Final = "x509_pem_cert"
"""What gRPC calls the certificate that a client proved to hold, if it asked for one."""


class Credentials:
    """Authenticates callers by their service token (RFC 6750, 2.1), or their certificate.

    A token stands before the certificate of the connection, which may be that of a proxy.
    """

    def __init__(self, tokens: ServiceTokens, callers: Callers) -> None:
        self._tokens = tokens
        self._callers = callers

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Refuse callers that are unknown."""

        async def authenticated(call: Call) -> Reply:
            identify = self._presented(call)
            call.caller = identify()
            if method.standing:
                call.is_welcome = partial(_would_admit, method, identify)
            return await handler(call)

        return authenticated

    def _presented(self, call: Call) -> Callable[[], Caller]:
        """Who calls, by what the call came with: that may hold at one time and not at another."""
        if _HEADER not in call.metadata and (certificate := _certificate(call)):
            return partial(self._callers.by_certificate, certificate)
        return partial(self._by_token, _bearer_token(call))

    def _by_token(self, token: str) -> Caller:
        return self._callers.by_token(self._tokens.verify(token))


class Permissions:
    """Holds authenticated callers to their roles."""

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Refuse callers that lack the method's role."""

        async def permitted(call: Call) -> Reply:
            _require_role(method, call.caller)
            return await handler(call)

        return permitted


def _would_admit(method: Method, identify: Callable[[], Caller]) -> bool:
    try:
        _require_role(method, identify())
    except SessionStoreError:
        return False
    return True


def _certificate(call: Call) -> ClientCertificate | None:
    found = call.context.auth_context().get(_PEER_CERTIFICATE)
    if not found:
        return None
    try:
        return read_certificate(next(iter(found)))
    except ValueError:
        raise CredentialsInvalidError("not a certificate of a caller") from None


def _bearer_token(call: Call) -> str:
    scheme, _, token = call.metadata.get(_HEADER, "").partition(" ")
    if scheme.lower() != _SCHEME or not token:
        raise CredentialsMissingError("neither a bearer token nor a certificate of a caller")
    return token.strip()


def _require_role(method: Method, caller: Caller) -> None:
    if caller.role < method.role:
        raise RoleRequiredError(
            f"this call needs role {method.role.name.lower()}",
            role=method.role.name.lower(),
            caller=caller.name,
        )
