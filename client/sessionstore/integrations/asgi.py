"""Pure ASGI middleware for HTTP and WebSockets: Starlette, FastAPI, and any other application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final

from sessionstore import AsyncLocalVerifier
from sessionstore.errors import SessionStoreError
from sessionstore.integrations.arrival import Arrival
from sessionstore.integrations.cookies import SessionCookies
from sessionstore.integrations.gate import Gate
from sessionstore.integrations.refusals import ANSWERED, Refused, refusal_of
from sessionstore.integrations.visit import Visit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

STATE_KEY: Final = "sessionstore"

_STARTS: Final = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
_CLOSE_CODES: Final = {401: 4401, 403: 4403, 503: 1013}
_DENIAL: Final = "websocket.http.response"


class SessionMiddleware:
    """Finds the session of each request and WebSocket, and keeps its cookies.

    The application finds a `Visit` in `scope["state"]["sessionstore"]`, which Starlette calls
    `request.state.sessionstore`; if it raises `Refused`, or calls the
    session service in vain, that becomes the answer. A WebSocket is
    refused before it is accepted by an HTTP answer where the server can send one, and afterwards
    by close code 4401, 4403 or 1013.

    Args:
        app: the application.
        verifier: started and closed by whoever made it, as in the application's lifespan.
        cookies: with an AsyncSessionClient; None where tokens come in headers alone.
        required: refuse whatever is in no session, before the application sees it.
        open_paths: exact paths that `required` leaves open, such as "/login".

    Raises:
        TypeError: verifier or cookies are for threads.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        verifier: AsyncLocalVerifier,
        cookies: SessionCookies | None = None,
        required: bool = False,
        open_paths: Collection[str] = (),
    ) -> None:
        self._app = app
        self._gate = Gate.for_asyncio(verifier, cookies)
        self._required = required
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or what else a server sends."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        visit = await self._gate.admit(_arrival(scope))
        scope.setdefault("state", {})[STATE_KEY] = visit
        answer = _Answer(self._gate, visit, scope, send)
        try:
            if self._required and scope["path"] not in self._open_paths:
                visit.require()
            await self._app(scope, receive, answer.send)
        except ANSWERED as error:
            await answer.refuse(error)
        except Exception:
            await answer.fail()
            raise
        finally:
            self._gate.leave(visit)


class _Answer:
    """Sends what the application answers, with the cookies that go with it."""

    def __init__(self, gate: Gate, visit: Visit, scope: Scope, send: Send) -> None:
        self._gate = gate
        self._visit = visit
        self._scope = scope
        self._send = send
        self._has_begun = False

    async def send(self, message: Message) -> None:
        if message["type"] in _STARTS:
            self._has_begun = True
            cookies = await self._gate.answer(self._visit)
            if cookies:
                message = {**message, "headers": [*_uncached(message.get("headers", ()))]}
                message["headers"] += [
                    (b"set-cookie", cookie.header().encode("ascii")) for cookie in cookies
                ]
        await self._send(message)

    async def refuse(self, error: SessionStoreError | Refused) -> None:
        """Answer instead of the application, if it has not begun to."""
        refusal = refusal_of(error)
        if self._scope["type"] == "http":
            if self._has_begun:
                raise error
            await self._respond("http.response", refusal.status, refusal.headers(), refusal.body())
        elif not self._has_begun and _DENIAL in (self._scope.get("extensions") or {}):
            await self._respond(_DENIAL, refusal.status, refusal.headers(), refusal.body())
        else:
            code = _CLOSE_CODES[refusal.status]
            await self._send({"type": "websocket.close", "code": code, "reason": refusal.reason})

    async def fail(self) -> None:
        """Keep fresh tokens from being lost with an answer that the application failed to give."""
        lost = self._visit.outcome.tokens and not self._has_begun
        if lost and self._scope["type"] == "http":
            headers = [("Content-Type", "text/plain; charset=utf-8")]
            await self._respond("http.response", 500, headers, b"Internal Server Error")

    async def _respond(
        self, kind: str, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        headers = [*headers, ("Content-Length", str(len(body)))]
        raw = [(name.lower().encode(), value.encode()) for name, value in headers]
        await self.send({"type": f"{kind}.start", "status": status, "headers": raw})
        await self._send({"type": f"{kind}.body", "body": body})


def _arrival(scope: Scope) -> Arrival:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        # Cookies may come in several (RFC 9113, 8.2.3); other lists are joined (RFC 9110, 5.3).
        separator = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
    handshake = scope["type"] == "websocket"
    address = (scope.get("client") or (None,))[0]
    return Arrival.read(
        "GET" if handshake else scope["method"], headers.get, address, handshake=handshake
    )


def _uncached(headers: Any) -> list[tuple[bytes, bytes]]:
    """The headers, such that no cache keeps an answer with cookies for somebody else."""
    kept = [(name, value) for name, value in headers if name.lower() != b"cache-control"]
    return [*kept, (b"cache-control", b"no-store")]
