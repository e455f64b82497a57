"""Server interceptors for gRPC, sync and aio.

grpc.server(pool, interceptors=[SessionInterceptor(verifier)])
grpc.aio.server(interceptors=[AsyncSessionInterceptor(verifier)])

A method's handler asks `current_session()`. A call without a good token ends as UNAUTHENTICATED, or
as UNAVAILABLE where nobody can tell, with a google.rpc.ErrorInfo that holds the reason.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from contextvars import ContextVar
from typing import Any, Final

import grpc

from sessionstore import AsyncLocalVerifier, LocalVerifier, VerifiedToken, _status
from sessionstore._failures import DETAILS_KEY
from sessionstore.errors import SessionStoreError
from sessionstore.integrations._given import must_be, several
from sessionstore.integrations.arrival import bearer_token
from sessionstore.integrations.refusals import Reason, Refusal, Refused, refusal_of

ERROR_DOMAIN: Final = "sessionstore.integrations"
"""Of the ErrorInfo. Reasons of the session service itself, of domain sessionstore.v1, are about its
callers; these are about a service's users."""

_METHOD: Final = re.compile(r"/[^/\s]+/[^/\s]+")
_A_METHOD: Final = "/grpc.health.v1.Health/Check"

_current: ContextVar[VerifiedToken] = ContextVar("sessionstore")


def current_session() -> VerifiedToken:
    """The session of the call that this handler serves.

    Raises:
        RuntimeError: the method is an open one, or no interceptor is installed.
    """
    try:
        return _current.get()
    except LookupError:
        raise RuntimeError("no session: an open method, or no session interceptor") from None


class SessionInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg]  # stubs alone have some
    """Lets calls with a good access token through, and no others.

    Args:
        verifier: started and closed by whoever made it.
        open_methods: full names of methods that need no session, such as
            "/grpc.health.v1.Health/Check".

    Raises:
        TypeError: the verifier is for asyncio, or open_methods is one string.
        ValueError: an open method that is no full name.
    """

    def __init__(self, verifier: LocalVerifier, *, open_methods: Collection[str] = ()) -> None:
        must_be(verifier, LocalVerifier)
        self._verifier = verifier
        self._open = several(open_methods, _METHOD, _A_METHOD)

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Put the verification before the method's handler, in the handler's thread."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method in self._open:
            return handler
        kind = _KINDS[handler.request_streaming, handler.response_streaming]
        behaviour = getattr(handler, kind)

        def guarded(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                session = self._verifier.verify(_token(handler_call_details))
            except (SessionStoreError, Refused) as error:
                refusal = refusal_of(error)
                context.set_trailing_metadata(_details(refusal))
                context.abort(_code(refusal), refusal.description)
            _current.set(session)  # each call has a context of its own
            return behaviour(request, context)

        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(guarded, handler.request_deserializer, handler.response_serializer)


class AsyncSessionInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # as above
    """`SessionInterceptor` for grpc.aio. Handlers that are no coroutines have no current session.

    Args:
        verifier: started and closed by whoever made it.
        open_methods: full names of methods that need no session.

    Raises:
        TypeError: the verifier is for threads, or open_methods is one string.
        ValueError: an open method that is no full name.
    """

    def __init__(self, verifier: AsyncLocalVerifier, *, open_methods: Collection[str] = ()) -> None:
        must_be(verifier, AsyncLocalVerifier)
        self._verifier = verifier
        self._open = several(open_methods, _METHOD, _A_METHOD)

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Verify, then find the method's handler; or one that refuses, whatever the method."""
        if handler_call_details.method not in self._open:
            try:
                _current.set(await self._verifier.verify(_token(handler_call_details)))
            except (SessionStoreError, Refused) as error:
                return _refuser(refusal_of(error))
        return await continuation(handler_call_details)


_KINDS: Final = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}


def _token(handler_call_details: Any) -> str:
    metadata = handler_call_details.invocation_metadata
    given = ", ".join(value for key, value in metadata if key == "authorization")
    token = bearer_token(given)
    if token is None:
        raise Refused(Refusal(Reason.TOKEN_MISSING))
    return token


def _refuser(refusal: Refusal) -> Any:
    async def refuse(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(_code(refusal), refusal.description, _details(refusal))

    # It reads and writes nothing, so it does for methods of every kind.
    return grpc.stream_stream_rpc_method_handler(refuse)


def _code(refusal: Refusal) -> grpc.StatusCode:
    if refusal.reason == Reason.UNAVAILABLE:
        return grpc.StatusCode.UNAVAILABLE
    return grpc.StatusCode.UNAUTHENTICATED


def _details(refusal: Refusal) -> tuple[tuple[str, bytes], ...]:
    """The status in the form of AIP-193, as trailing metadata."""
    status = _status.serialized(
        _code(refusal),
        refusal.reason.value,
        {"end_reason": refusal.end_reason.value} if refusal.end_reason else {},
        domain=ERROR_DOMAIN,
        message=refusal.description,
        retry_after=refusal.retry_after if refusal.reason == Reason.UNAVAILABLE else None,
    )
    return ((DETAILS_KEY, status),)
