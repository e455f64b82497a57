"""Finds out which caller calls, and whether its role suffices."""

from __future__ import annotations

from functools import partial
from typing import Final

from sessiond.domain.callers import Caller
from sessiond.domain.errors import (
    CredentialsMissingError,
    RoleRequiredError,
    SessionStoreError,
)
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
            token = _bearer_token(call)
            call.caller = self._caller(token)
            _require_role(method, call.caller)
            if method.standing:
                call.is_welcome = partial(self._would_admit, method, token)
            return await handler(call)

        return authenticated

    def _caller(self, token: str) -> Caller:
        return self._callers.authenticate(self._tokens.verify(token))

    def _would_admit(self, method: Method, token: str) -> bool:
        try:
            _require_role(method, self._caller(token))
        except SessionStoreError:
            return False
        return True


def _bearer_token(call: Call) -> str:
    scheme, _, token = call.metadata.get("authorization", "").partition(" ")
    if scheme.lower() != _SCHEME or not token:
        raise CredentialsMissingError("the call carries no bearer token")
    return token.strip()


def _require_role(method: Method, caller: Caller) -> None:
    if caller.role < method.role:
        raise RoleRequiredError(
            f"this call needs role {method.role.name.lower()}",
            role=method.role.name.lower(),
            caller=caller.name,
        )
