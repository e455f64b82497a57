"""What only ASGI has: WebSockets, headers in parts, and applications that guard nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from sessionstore import AsyncLocalVerifier, AsyncSessionClient, CreatedSession
from sessionstore.integrations import SessionCookies
from sessionstore.integrations.asgi import STATE_KEY, Message, Scope, SessionMiddleware
from sessionstore.testing import SessionServer
from tests.integrations.sites import HOST, Kind
from tests.integrations.standins import failing_verifier

Headers = Iterable[tuple[bytes, bytes]]

ASYNC = Kind("asgi", True, lambda *_: None)  # type: ignore[arg-type]


@pytest.fixture
async def client(server: SessionServer) -> AsyncIterator[AsyncSessionClient]:
    async with server.async_client() as client:
        yield client


@pytest.fixture
async def verifier(client: AsyncSessionClient) -> AsyncIterator[AsyncLocalVerifier]:
    async with AsyncLocalVerifier(client, audience="sessionstore") as verifier:
        assert await verifier.wait_ready(10)
        yield verifier


async def greeter(scope: Scope, receive: Any, send: Any) -> None:
    """Accepts a WebSocket or answers a request, and then asks for the session."""
    visit = scope["state"][STATE_KEY]
    if scope["path"] == "/early":
        visit.require()
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    visit.require()


async def play(
    app: Any, kind: str, path: str = "/", headers: Headers = (), *, denial: bool = False
) -> list[Message]:
    """All that the application sends."""
    scope: Scope = {
        "type": kind,
        "path": path,
        "headers": [(b"host", HOST.encode()), *headers],
        "client": None,
        "extensions": {"websocket.http.response": {}} if denial else {},
    }
    if kind == "http":
        scope["method"] = "GET"
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def cookie(login: CreatedSession, *names: str) -> tuple[bytes, bytes]:
    values = {"access": login.tokens.access_token, "refresh": login.tokens.refresh_token}
    return b"cookie", "; ".join(f"__Host-session-{n}={values[n]}" for n in names).encode()


@pytest.fixture
def app(client: AsyncSessionClient, verifier: AsyncLocalVerifier) -> SessionMiddleware:
    return SessionMiddleware(greeter, verifier=verifier, cookies=SessionCookies(client))


async def test_a_websocket_of_a_session_is_accepted(
    app: SessionMiddleware, login: CreatedSession
) -> None:
    """By cookie, as browsers send them with the handshake."""
    sent = await play(app, "websocket", "/early", [cookie(login, "access", "refresh")])
    assert sent == [{"type": "websocket.accept"}]


async def test_a_websocket_is_refused_before_it_is_accepted(app: SessionMiddleware) -> None:
    """The server turns that into 403 (ASGI); the code is for those that pass it on."""
    sent = await play(app, "websocket", "/early")
    assert sent == [{"type": "websocket.close", "code": 4401, "reason": "TOKEN_MISSING"}]


async def test_where_the_server_can_the_refusal_of_a_websocket_is_an_answer(
    app: SessionMiddleware,
) -> None:
    """With status, challenge and reason (ASGI extension websocket.http.response)."""
    start, body = await play(app, "websocket", "/early", denial=True)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"www-authenticate", b"Bearer") in start["headers"]
    assert body["body"] == b'{"reason": "TOKEN_MISSING"}'


async def test_an_accepted_websocket_is_closed_with_a_code(app: SessionMiddleware) -> None:
    """In the range that is the application's (RFC 6455, 7.4.2)."""
    accept, close = await play(app, "websocket", denial=True)
    assert accept["type"] == "websocket.accept"
    assert close == {"type": "websocket.close", "code": 4401, "reason": "TOKEN_MISSING"}


async def test_while_nobody_can_tell_a_websocket_is_to_try_again_later() -> None:
    """1013 of IANA's registry."""
    app = SessionMiddleware(greeter, verifier=failing_verifier(ASYNC))
    sent = await play(app, "websocket", "/early", [(b"authorization", b"Bearer x")])
    assert sent == [{"type": "websocket.close", "code": 1013, "reason": "UNAVAILABLE"}]


@pytest.mark.parametrize(
    "header", [(b"origin", b"https://evil.example"), (b"sec-fetch-site", b"same-site")]
)
async def test_a_page_of_another_site_opens_no_websocket(
    app: SessionMiddleware, login: CreatedSession, header: tuple[bytes, bytes]
) -> None:
    """No same-origin policy holds it back, only this check."""
    sent = await play(app, "websocket", "/early", [cookie(login, "access"), header])
    assert sent == [{"type": "websocket.close", "code": 4403, "reason": "CROSS_SITE"}]


async def test_a_handshake_refreshes_nothing(app: SessionMiddleware, login: CreatedSession) -> None:
    """Its answer may never carry the cookies."""
    sent = await play(app, "websocket", "/early", [cookie(login, "refresh")])
    assert sent == [{"type": "websocket.close", "code": 4401, "reason": "TOKEN_EXPIRED"}]


async def test_cookies_may_come_in_several_headers(
    app: SessionMiddleware, login: CreatedSession
) -> None:
    """As HTTP/2 allows (RFC 9113, 8.2.3)."""
    headers = [(b"cookie", b"theme=dark"), cookie(login, "access")]
    sent = await play(app, "http", "/early", headers)
    assert sent[0]["status"] == 200


@pytest.mark.parametrize(
    "value", [b"Bearer \xe9\xff", b"Bearer", b"Bearer " + b"x" * 70_000, b"Bearer \x00"]
)
async def test_bytes_that_are_no_token_are_refused(app: SessionMiddleware, value: bytes) -> None:
    """As any other forged one."""
    sent = await play(app, "http", "/early", [(b"authorization", value)])
    assert (sent[0]["status"], sent[1]["body"]) == (401, b'{"reason": "TOKEN_INVALID"}')


async def test_two_tokens_are_none(app: SessionMiddleware, login: CreatedSession) -> None:
    """Nobody can say which one was meant."""
    good = (b"authorization", f"Bearer {login.tokens.access_token}".encode())
    assert (await play(app, "http", "/early", [good]))[0]["status"] == 200
    assert (await play(app, "http", "/early", [good, good]))[0]["status"] == 401


async def test_an_application_that_guards_nothing_can_be_guarded(
    verifier: AsyncLocalVerifier, login: CreatedSession
) -> None:
    """All paths but those named, exactly."""

    async def careless(scope: Scope, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    app = SessionMiddleware(careless, verifier=verifier, required=True, open_paths={"/login"})
    good = (b"authorization", f"Bearer {login.tokens.access_token}".encode())
    statuses = {
        path: (await play(app, "http", path))[0]["status"]
        for path in ("/", "/login", "/login/", "/login/x", "//login", "/LOGIN")
    }
    assert statuses.pop("/login") == 200
    assert set(statuses.values()) == {401}
    assert (await play(app, "http", "/", [good]))[0]["status"] == 200


async def test_a_refusal_after_the_answer_began_is_a_fault(app: SessionMiddleware) -> None:
    """Nothing can be taken back: it is raised, for the server to log."""
    with pytest.raises(Exception, match="TOKEN_MISSING"):
        await play(app, "http")


async def test_what_is_no_request_passes() -> None:
    """Such as the lifespan, in which verifiers are started and closed."""
    seen = []

    async def inner(scope: Scope, receive: Any, send: Any) -> None:
        seen.append(scope)

    app = SessionMiddleware(inner, verifier=failing_verifier(ASYNC))
    scope: Scope = {"type": "lifespan"}
    await app(scope, None, None)  # type: ignore[arg-type]
    assert seen == [{"type": "lifespan"}]
