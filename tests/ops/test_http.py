"""The HTTP server of the ops port, on a socket."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from sessiond.domain.errors import StartupError
from sessiond.ops import http
from sessiond.ops.http import Answer, HttpServer
from tests.rpc.logs import captured

BIG = b"x" * 32_000_000


async def hello() -> Answer:
    return Answer(b"hello\n")


async def big() -> Answer:
    return Answer(BIG)


async def broken() -> Answer:
    raise RuntimeError("secret")


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    """One with a few paths, which a test starts."""
    made = HttpServer({"/hello": hello, "/big": big, "/broken": broken})
    yield made
    with suppress(AttributeError):
        await made.stop()


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address.removeprefix("unix:"))
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


async def ask(address: str, request: bytes) -> bytes:
    """All that comes back on a connection of its own, until the server closes it."""
    reader, writer = await connect(address)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(-1), 20)
    finally:
        writer.close()


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: ops\r\n\r\n".encode()


async def test_a_path_is_answered(server: HttpServer) -> None:
    """With its length, so that also a client that keeps connections knows where it ends."""
    address = await server.start("127.0.0.1:0")
    for path in ("/hello", "/hello?x=1"):
        head, _, body = (await ask(address, get(path))).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Length: 6\r\nConnection: close\r\n" in head
        assert body == b"hello\n"


async def test_a_head_has_no_body(server: HttpServer) -> None:
    """And says how long it would be."""
    address = await server.start("127.0.0.1:0")
    answer = await ask(address, get("/hello", "HEAD"))
    assert b"Content-Length: 6\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PUT", "DELETE", "CONNECT", "get"])
async def test_other_methods_than_get_and_head_are_refused(server: HttpServer, method: str) -> None:
    """TRACE too: nothing that was sent comes back."""
    address = await server.start("127.0.0.1:0")
    sent = f"{method} /hello HTTP/1.1\r\nHost: ops\r\nCookie: secret\r\n\r\n".encode()
    answer = await ask(address, sent)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET, HEAD\r\n" in answer
    assert b"secret" not in answer


async def test_an_answer_names_no_software(server: HttpServer) -> None:
    """Neither in a header nor in a body, whatever was asked."""
    address = await server.start("127.0.0.1:0")
    for request in (get("/hello"), get("/nothing"), get("/broken"), b"nonsense\r\n\r\n"):
        answer = (await ask(address, request)).lower()
        assert b"server:" not in answer
        assert not any(word in answer for word in (b"sessiond", b"h11", b"python", b"redis"))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/nothing"), b"404"),
        (get("/hello", "POST"), b"405"),
        (get("/broken"), b"500"),
        (b"GET /hello HTTP/1.1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /hello HTTP/1.1\r\nHost: ops\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", b"431"),
    ],
    ids=["path", "method", "fault", "no-host", "tls", "long"],
)
async def test_what_cannot_be_answered_has_a_status(
    server: HttpServer, request_: bytes, status: bytes
) -> None:
    """And nothing of what went wrong."""
    address = await server.start("127.0.0.1:0")
    with captured() as log:
        answer = await ask(address, request_)
    assert answer.startswith(b"HTTP/1.1 " + status + b" ")
    assert b"secret" not in answer
    assert "secret" not in log.getvalue()


async def test_it_listens_on_a_path(server: HttpServer, tmp_path: Path) -> None:
    """That only its user may open, that replaces one left over, and that goes with it."""
    path = tmp_path / "ops"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left_over:
        left_over.bind(str(path))
    address = await server.start(f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (await ask(address, get("/hello"))).endswith(b"hello\n")
    await server.stop()
    assert not path.exists()


async def test_an_address_in_use_is_refused(server: HttpServer, tmp_path: Path) -> None:
    """With a sentence that names it; who has it goes on."""
    for listen in ("127.0.0.1:0", f"unix:{tmp_path / 'ops'}"):
        other = HttpServer({"/hello": hello})
        taken = await other.start(listen)
        with pytest.raises(StartupError, match=f"cannot listen on {taken}: "):
            await server.start(taken)
        assert (await ask(taken, get("/hello"))).endswith(b"hello\n")
        await other.stop()


@pytest.mark.parametrize("listen", ["127.0.0.1:70000", "unix:/nowhere/ops", "unix:" + "x" * 200])
async def test_an_address_that_is_none_is_refused(server: HttpServer, listen: str) -> None:
    """As one in use is. A file that is no socket is left alone."""
    with pytest.raises(StartupError, match=f"cannot listen on {listen}: "):
        await server.start(listen)


async def test_a_file_is_no_socket(server: HttpServer, tmp_path: Path) -> None:
    """It is left alone."""
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(StartupError, match="cannot listen on"):
        await server.start(f"unix:{path}")
    assert path.read_text() == "precious"


async def test_slow_clients_lose_their_place(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that do not ask, and those that do not read; more than it takes are closed at once."""
    monkeypatch.setattr(http, "_PATIENCE_S", 1.0)
    address = await server.start("127.0.0.1:0")
    silent = [await connect(address) for _ in range(http._MOST_CONNECTIONS - 1)]
    deaf_reader, deaf_writer = await connect(address)
    deaf_writer.write(get("/big"))
    with suppress(ConnectionError):
        assert await ask(address, get("/hello")) == b""
    for reader, writer in silent:
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(-1), 20) == b""
        writer.close()
    with suppress(ConnectionError):
        assert len(await deaf_reader.read(-1)) < len(BIG)
    deaf_writer.close()
    assert (await ask(address, get("/hello"))).endswith(b"hello\n")


async def test_a_stop_ends_what_is_open(server: HttpServer) -> None:
    """A client that never asked holds nothing up."""
    address = await server.start("127.0.0.1:0")
    reader, writer = await connect(address)
    assert (await ask(address, get("/hello"))).endswith(b"hello\n")
    await server.stop()
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(-1), 5) == b""
    writer.close()
    with pytest.raises(OSError, match="111"):
        await connect(address)
