"""The native transport: what it refuses at the start, what it is mended in, and how it stops."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from threading import Event, Thread, active_count

import pygrpc_native.aio
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sessiond.domain.errors import StartupError
from sessiond.rpc import native
from sessiond.rpc.call import Call
from sessiond.rpc.listening import native_module
from sessiond.settings.loading import load
from sessionstore import SessionClient
from tests.commands import Command
from tests.rpc.abuses import Line, nothing, open_lines, unread_answers
from tests.rpc.calls import Api
from tests.rpc.conftest import ServeWith
from tests.rpc.process import refused_start
from tests.rpc.serving import Server, eventually
from tests.rpc.streaming import Caller, Streams

DEV = {"listen": "127.0.0.1:0"}
SLOW = 40
"""Readers that do not read: more than a loop has threads by default on any machine."""
STOPS_WITHIN_S = 5.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls_cert_file": "a.pem", "tls_key_file": "a.key"}, "native serves plaintext only"),
        ({"max_connection_age": "1h"}, "native closes no connection for its age"),
        ({"listen": "192.0.2.1:7700"}, "only loopback is served"),
        ({"reflection": "true"}, "native keeps every answer of reflection until it is read"),
    ],
    ids=["TLS", "age of connections", "plaintext where nobody encrypts", "reflection"],
)
def test_what_it_cannot_do_is_refused(settings: dict[str, str], said: str) -> None:
    """With a sentence that says so, and what to do."""
    named = {"store_url": "redis://x", "keys_dir": "k", "callers_file": "c"}
    with pytest.raises(StartupError, match=said):
        load(transport="native", **{**DEV, **named, **settings})


def test_a_process_says_so_in_a_line(tmp_path: Path) -> None:
    """And does not start."""
    said = refused_start(tmp_path, "--dev", "--transport", "native", max_connection_age="1h", **DEV)
    assert "unset SESSIOND_MAX_CONNECTION_AGE" in said


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """What both `sessiond serve` and `sessiond config check` ask for."""
    monkeypatch.delitem(sys.modules, "sessiond.rpc.native", raising=False)
    monkeypatch.setitem(sys.modules, "pygrpc_native._native", None)
    with pytest.raises(StartupError, match=r"pip install 'sessionstore\[native\]'"):
        native_module()


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is mended is inside the one that the extra names."""
    extra = next(each for each in metadata.requires("sessionstore") or () if "native" in each)
    assert extra.startswith(f"pygrpc-native=={native.VERSION};")
    monkeypatch.setattr(native, "VERSION", "0.4.0")
    with pytest.raises(StartupError, match=r"pygrpc-native is 0.5.0, and has to be 0.4.0"):
        native_module()


def test_a_check_of_settings_looks_for_it(command: Command, tmp_path: Path) -> None:
    """And says what it found."""
    data = str(tmp_path / "data")
    done = command("config", "check", "--dev", "--data-dir", data, "--transport", "native")
    assert "SESSIOND_TRANSPORT: native, by pygrpc-native" in done[1]


@pytest.fixture
def request_ends() -> Iterator[tuple[Event, Event]]:
    """When two calls may come to their end; they do so with the test, whatever fails."""
    both = Event(), Event()
    yield both
    for each in both:
        each.set()


@pytest.fixture
def flood(streams: Streams) -> Streams:
    """Streams whose handlers send without end and without a pause."""

    async def work(call: Call) -> None:
        while True:
            await call.send(BytesValue())

    streams.work = work
    return streams


def test_readers_that_do_not_read_take_no_thread(flood: Streams, serve_with: ServeWith) -> None:
    """What works in threads goes on: keys are made, and files read. A stop waits for nobody."""
    server = serve_with(transport="native", drain_time="300ms")
    threads = active_count()
    with open_lines(server.app.address, SLOW) as lines:
        for line in lines:
            line.greet(reads=False)
            _ask_down(line, server)
        eventually(lambda: flood.begun == SLOW)
        assert server.admin(timeout_s=5).rotate()
        assert active_count() < threads + SLOW / 2
        began_s = time.monotonic()
        server.loop.run(server.app.stop())
        assert time.monotonic() - began_s < STOPS_WITHIN_S
        assert flood.over == SLOW


def test_a_handler_whose_client_is_gone_comes_to_its_end(
    flood: Streams, serve_with: ServeWith
) -> None:
    """And leaves others their turn, however much it has to say."""
    server = serve_with(transport="native")
    with open_lines(server.app.address, 1) as (line,):
        line.greet()
        _ask_down(line, server)
        eventually(lambda: flood.begun == 1)
    eventually(lambda: flood.over == 1)
    assert not server.api().list("alice").sessions


def test_a_stop_refuses_nobody_while_a_call_goes_on(
    streams: Streams, serve_with: ServeWith, request_ends: tuple[Event, Event]
) -> None:
    """Connections stay, and calls on them are served, until there is no more to wait for."""
    first, second = request_ends

    async def long(_: Call) -> None:
        await asyncio.to_thread((first if streams.begun == 1 else second).wait)

    streams.work = long
    server = serve_with(transport="native", drain_time="20s")
    api, caller = server.api(), Caller(server)
    one = caller.down()
    eventually(lambda: streams.begun == 1)
    stopping = Thread(target=server.loop.run, args=(server.app.stop(),), daemon=True)
    stopping.start()
    eventually(lambda: _status(server) == health_pb2.HealthCheckResponse.NOT_SERVING)
    _serves(api)
    other = caller.down()
    eventually(lambda: streams.begun == 2)
    first.set()
    assert list(one) == []
    _serves(api)
    with open_lines(server.app.address, 1) as (watcher,):
        watcher.greet()
        watcher.say(watcher.call(1, "/grpc.health.v1.Health/Watch"), nothing(1))
        second.set()
        assert list(other) == []
        stopping.join(STOPS_WITHIN_S)
    assert not stopping.is_alive()


def _serves(api: Api) -> None:
    """For longer than a stop takes to begin."""
    until_s = time.monotonic() + 0.5
    while time.monotonic() < until_s:
        assert not api.list("alice").sessions


def _ask_down(line: Line, server: Server) -> None:
    token = f"Bearer {server.mint('writer')}"
    line.say(line.call(1, "/tests.Streams/Down", authorization=token), nothing(1))


def _status(server: Server) -> int:
    stub = health_pb2_grpc.HealthStub(server.channel())
    return int(stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status)


def test_a_call_that_is_given_up_is_forgotten(serve_with: ServeWith) -> None:
    """Also where its handler has not begun, as the server is busy."""
    server = serve_with(transport="native", log_level="error")
    api, before, told = server.api(), _calls_kept(), Event()
    server.loop.call_soon(told.wait)
    try:
        unread_answers(server.app.address, 2)
    finally:
        told.set()
    api.list("alice")  # it comes after all of them
    eventually(lambda: _calls_kept() <= before)


def test_the_sdk_finds_it_at_several_addresses(serve_with: ServeWith) -> None:
    """All of which gRPC would name as one authority, which is none, and refused."""
    server = serve_with(transport="native")
    both = f"ipv4:{server.app.address},{server.app.address}"
    with SessionClient(both, token=server.mint("writer")) as sessions:
        assert sessions.create("alice").session.user_id == "alice"


def _calls_kept() -> int:
    gc.collect()
    # Not by isinstance, which has lazy objects of others make themselves.
    return sum(type(each) is pygrpc_native.aio._Call for each in gc.get_objects())
