"""The native transport: what it refuses at the start, and what it waits for in threads."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pygrpc_native.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sessiond.domain.errors import StartupError
from sessiond.rpc.call import Call
from sessiond.rpc.listening import native_module
from sessiond.settings.loading import load
from sessionstore import SessionClient
from tests.commands import Command
from tests.rpc.abuses import rapid_resets, unread_answers
from tests.rpc.conftest import ServeWith
from tests.rpc.process import refused_start
from tests.rpc.serving import Server, eventually
from tests.rpc.streaming import Caller, Streams
from tests.rpc.watching import Logs, watched

DEV = {"listen": "127.0.0.1:0"}
SLOW = 24
"""Readers that do not read: more than a loop has threads by default on a machine of many cores."""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls_cert_file": "a.pem", "tls_key_file": "a.key"}, "native serves plaintext only"),
        ({"max_connection_age": "1h"}, "native closes no connection for its age"),
        ({"listen": "192.0.2.1:7700"}, "only loopback is served"),
    ],
    ids=["TLS", "age of connections", "plaintext where nobody encrypts"],
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
    """The server, and `sessiond config check`."""
    monkeypatch.delitem(sys.modules, "sessiond.rpc.native", raising=False)
    monkeypatch.setitem(sys.modules, "pygrpc_native._native", None)
    with pytest.raises(StartupError, match=r"pip install 'sessionstore\[native\]'"):
        native_module()


def test_a_check_of_settings_looks_for_it(command: Command, tmp_path: Path) -> None:
    """And says what it found."""
    data = str(tmp_path / "data")
    done = command("config", "check", "--dev", "--data-dir", data, "--transport", "native")
    assert "SESSIOND_TRANSPORT: native, by pygrpc-native" in done[1]


def test_readers_that_do_not_read_take_no_thread_from_others(serve_with: ServeWith) -> None:
    """What works in threads goes on: keys are made, and files read."""
    server = serve_with(transport="native", watch_backlog=100_000)
    stuck = [watched(server) for _ in range(SLOW)]
    reader, logs = watched(server), Logs.behind(server)
    written = [*logs.write("alice", 20_000)]
    reader.until(lambda w: len(w.events) == len(written))
    assert server.admin(timeout_s=5).rotate()
    assert reader.sessions == written
    eventually(lambda: server.api().list("alice") is not None)
    for watch in stuck:
        watch.close()


def test_a_stop_refuses_nobody_while_a_long_call_goes_on(
    streams: Streams, serve_with: ServeWith
) -> None:
    """Connections stay, and calls on them are served, until there is no more to wait for."""
    told = Event()

    async def long(_: Call) -> None:
        await asyncio.to_thread(told.wait)

    streams.work = long
    server = serve_with(transport="native", drain_time="10s")
    api, last = server.api(), Caller(server).down()
    eventually(lambda: streams.begun == 1)
    stopping = Thread(target=server.loop.run, args=(server.app.stop(),))
    stopping.start()
    eventually(lambda: _status(server) == health_pb2.HealthCheckResponse.NOT_SERVING)
    for _ in range(20):
        assert not api.list("alice").sessions
    told.set()
    assert list(last) == []
    stopping.join()


def _status(server: Server) -> int:
    stub = health_pb2_grpc.HealthStub(server.channel())
    return int(stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status)


@pytest.mark.parametrize("abuse", [rapid_resets, unread_answers])
def test_a_call_that_is_given_up_is_forgotten(
    serve_with: ServeWith, abuse: Callable[[str, int], None]
) -> None:
    """Also where its handler has not begun, as the server is busy."""
    server = serve_with(transport="native", log_level="error")
    before, told = _calls_kept(), Event()
    server.loop.call_soon(told.wait)
    abuse(server.app.address, 2)
    told.set()
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
