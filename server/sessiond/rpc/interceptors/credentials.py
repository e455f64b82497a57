"""Finds out which caller calls, and whether its role suffices."""

from __future__ import annotations

from typing import Final

from sessiond.domain.errors import CredentialsMissingError, RoleRequiredError
from sessiond.rpc.call import Call, Handler, Method, Reply
from sessiond.tokens.callers import Callers
from sessiond.tokens.service import ServiceTokens

_SCHEME: Final = "bearer"


class Credentials:
    """Authenticates callers by their service token (RFC 6750, 2.1)."""

    def __init__(self, tokens: ServiceTokens, callers: Callers) -> None:
        self._tokens = tokens
        self._callers = callers

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Refuse callers that are unknown or lack the method's role."""

        async def authenticated(call: Call) -> Reply:
            scheme, _, token = call.metadata.get("authorization", "").partition(" ")
            if scheme.lower() != _SCHEME or not token:
                raise CredentialsMissingError("the call carries no bearer token")
            call.caller = self._callers.authenticate(self._tokens.verify(token.strip()))
            if call.caller.role < method.role:
                raise RoleRequiredError(
                    f"this call needs role {method.role.name.lower()}",
                    role=method.role.name.lower(),
                    caller=call.caller.name,
                )
            return await handler(call)

        return authenticated
