"""The ops port of a real server."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from jwt import PyJWKSet

from sessiond.rpc.call import Call
from sessionstore.v1 import session_service_pb2 as pb
from tests.engines import RealEngine
from tests.ops.scraping import parsed, scrape
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import Server, eventually
from tests.rpc.streaming import Caller, Streams

OPS: dict[str, Any] = {"ops_listen": "127.0.0.1:0"}


@dataclass(frozen=True)
class Response:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def get(server: Server, path: str) -> Response:
    """The response to a GET."""
    connection = http.client.HTTPConnection(server.app.ops_address, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    try:
        return Response(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def test_healthy_is_not_ready(serve_with: ServeWith, mortal: RealEngine) -> None:
    """A server without its store lives and is not to be called; it heals with the store."""
    server = serve_with(url=mortal.url, **OPS)
    assert get(server, "/healthz").status == 200
    assert get(server, "/readyz").status == 200
    assert scrape(server.app.ops_address)["sessiond_ready",] == 1
    mortal.kill9()
    eventually(lambda: get(server, "/readyz").status == 503)
    assert get(server, "/healthz").status == 200
    gone = scrape(server.app.ops_address)
    assert gone["sessiond_ready",] == 0
    assert ("sessiond_sessions", "live") not in gone
    mortal.start()
    eventually(lambda: get(server, "/readyz").status == 200)


def test_a_server_that_drains_is_not_ready(serve_with: ServeWith, streams: Streams) -> None:
    """It lives, and shows its metrics, until the last call is over."""
    done = asyncio.Event()

    async def held(_: Call) -> BytesValue:
        await done.wait()
        return BytesValue(value=b"done")

    streams.work = held
    server = serve_with(drain_time="30s", **OPS)
    call = Caller(server).up(iter(()))
    eventually(lambda: streams.begun)
    stopping = threading.Thread(target=server.loop.run, args=(server.app.stop(),))
    stopping.start()
    eventually(lambda: get(server, "/readyz").status == 503)
    assert get(server, "/healthz").status == 200
    key = ("grpc_server_started_total", "Up", "tests.Streams", "client_stream")
    assert scrape(server.app.ops_address)[key] == 1
    server.loop.call_soon(done.set)
    assert call.result().value == b"done"
    stopping.join()
    with pytest.raises(OSError, match="refused"):
        get(server, "/healthz")


def test_keys_are_a_jwk_set(serve_with: ServeWith) -> None:
    """Any library that reads one verifies our access tokens with it (RFC 7517)."""
    server = serve_with(**OPS)
    made = server.api().call(pb.CreateSessionRequest(user_id="alice"))
    response = get(server, "/.well-known/jwks.json")
    assert response.headers["Content-Type"] == "application/jwk-set+json"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    document = json.loads(response.body)
    assert not [key for key in document["keys"] if "d" in key]
    token = made.tokens.access_token
    key = PyJWKSet.from_dict(document)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, [key.algorithm_name], options={"verify_aud": False})
    assert claims["sub"] == "alice"


def test_a_supervisor_reads_it_on_a_socket(serve_with: ServeWith, tmp_path: Path) -> None:
    """Of a path that nobody else may open."""
    path = tmp_path / "worker"
    server = serve_with(ops_listen=f"unix:{path}")
    assert server.app.ops_address == f"unix:{path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(str(path))
        line.sendall(b"GET /metrics HTTP/1.1\r\nHost: ops\r\n\r\n")
        text = line.makefile("rb").read().partition(b"\r\n\r\n")[2]
    assert parsed(text)["sessiond_ready",] == 1
