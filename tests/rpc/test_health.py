"""grpc.health.v1 and reflection."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from redis import Redis

from sessiond.domain.errors import Reason
from tests.engines import RealEngine, start_real_engine
from tests.rpc.abuses import nothing, open_lines
from tests.rpc.calls import ADMIN_SERVICE, SERVICE, Api, outcome, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.engines import hung, silent_engine
from tests.rpc.logs import Log
from tests.rpc.serving import Server, ServerLoop, eventually, make_settings, serve
from tests.transport import TRANSPORT

Status = health_pb2.HealthCheckResponse
STOPS_WITHIN_S = 5.0
NAMES = ("", SERVICE.full_name, ADMIN_SERVICE.full_name)


@pytest.fixture
def engine() -> Iterator[RealEngine]:
    with start_real_engine("valkey", appendonly=True) as started:
        yield started


def _status(server: Server, name: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(server.channel())
    request = health_pb2.HealthCheckRequest(service=name)
    return int(stub.Check(request, timeout=5).status)


@contextmanager
def _watching(server: Server, name: str = "") -> Iterator[queue.Queue[int]]:
    """What a watcher hears, as it hears it; -1 at the end."""
    heard: queue.Queue[int] = queue.Queue()
    stub = health_pb2_grpc.HealthStub(server.channel())
    stream = stub.Watch(health_pb2.HealthCheckRequest(service=name))

    def listen() -> None:
        with suppress(grpc.RpcError):
            for answer in stream:
                heard.put(answer.status)
        heard.put(-1)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield heard
    finally:
        stream.cancel()
        thread.join()


def test_a_server_is_not_serving_until_its_store_answers(serve_with: ServeWith) -> None:
    """Started ahead of its engine, which then comes up; no credentials are asked for."""
    with start_real_engine("valkey") as engine:
        engine.stop()
        server = serve_with(url=engine.url, ready=False)
        assert {_status(server, name) for name in NAMES} == {Status.NOT_SERVING}
        engine.start()
        eventually(
            lambda: [_status(server, name) for name in NAMES] == [Status.SERVING] * len(NAMES)
        )
        assert outcome(server.api().create, "alice") == "OK"


def test_a_store_that_takes_connections_and_is_silent_is_not_ready(serve_with: ServeWith) -> None:
    """Answering is what counts."""
    with silent_engine() as url:
        server = serve_with(url=url, ready=False)
        assert _status(server) == Status.NOT_SERVING
        assert not server.app.ready.is_set()


def test_health_follows_the_engine_down_and_up_again(
    serve_with: ServeWith, engine: RealEngine
) -> None:
    """Watched as a stream; the server needs no restart, and its sessions are still there."""
    server = serve_with(url=engine.url)
    api = server.api()
    made = api.create("alice").session
    with _watching(server) as all_, _watching(server, SERVICE.full_name) as service:
        assert (all_.get(timeout=5), service.get(timeout=5)) == (Status.SERVING,) * 2
        engine.stop()
        assert (all_.get(timeout=5), service.get(timeout=5)) == (Status.NOT_SERVING,) * 2
        assert refused(api.get, made.session_id).code == grpc.StatusCode.UNAVAILABLE
        engine.start()
        assert (all_.get(timeout=10), service.get(timeout=10)) == (Status.SERVING,) * 2
        assert api.get(made.session_id) == made


def test_a_hung_engine_is_noticed(serve_with: ServeWith, engine: RealEngine) -> None:
    """NOT_SERVING within seconds, and SERVING when it goes on."""
    server = serve_with(url=engine.url)
    with hung(engine):
        eventually(lambda: _status(server) == Status.NOT_SERVING)
    eventually(lambda: _status(server) == Status.SERVING)


def test_watchers_hear_of_a_stop_before_it(
    loop: ServerLoop, engine: RealEngine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """NOT_SERVING comes first, then the stream ends."""
    settings = make_settings(tmp_path_factory.mktemp("server"), engine.url, drain_time="300ms")
    with serve(loop, settings) as server:
        watching = _watching(server)
        heard = watching.__enter__()
        assert heard.get(timeout=5) == Status.SERVING
        loop.run(server.app.__aexit__(None, None, None))
        assert heard.get(timeout=5) == Status.NOT_SERVING
        assert heard.get(timeout=5) == -1
        watching.__exit__(None, None, None)


@pytest.mark.parametrize("transport", ["plaintext", "native"])
def test_a_watcher_that_does_not_read_holds_up_nobody(
    serve_with: ServeWith, engine: RealEngine, transport: str
) -> None:
    """Others are told what changes, and the server stops in its time."""
    server = serve_with(url=engine.url, transport=transport, drain_time="300ms")
    with open_lines(server.app.address) as lines:
        for line in lines:
            line.greet(reads=False)
            for stream in range(1, 21, 2):
                line.say(line.call(stream, "/grpc.health.v1.Health/Watch"), nothing(stream))
        with _watching(server) as heard:
            assert heard.get(timeout=5) == Status.SERVING
            for _ in range(3):
                engine.stop()
                assert heard.get(timeout=5) == Status.NOT_SERVING
                engine.start()
                assert heard.get(timeout=10) == Status.SERVING
        began_s = time.monotonic()
        server.loop.run(server.app.stop())
        assert time.monotonic() - began_s < STOPS_WITHIN_S


def test_watchers_do_not_hold_up_a_stop(serve_with: ServeWith, engine: RealEngine) -> None:
    """Once they are told, their calls are over."""
    server = serve_with(url=engine.url, drain_time="30s")
    with _watching(server) as heard:
        assert heard.get(timeout=5) == Status.SERVING
        began_s = time.monotonic()
        server.loop.run(server.app.stop())
        assert time.monotonic() - began_s < STOPS_WITHIN_S


def test_an_unknown_service_has_no_health(server: Server) -> None:
    """NOT_FOUND, as grpc.health.v1 says."""
    with pytest.raises(grpc.RpcError) as caught:
        _status(server, "no.such.Service")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def _reflected(server: Server) -> set[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel())
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(iter(stub.ServerReflectionInfo(iter([request]), timeout=5)))
    return {service.name for service in answer.list_services_response.service}


def test_reflection_is_for_development_alone(
    server: Server, serve_with: ServeWith, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """UNIMPLEMENTED in production; on in development mode, or where grpcio is told to."""
    with pytest.raises(grpc.RpcError) as caught:
        _reflected(server)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    data_dir = tmp_path_factory.mktemp("dev")
    ours = {SERVICE.full_name, ADMIN_SERVICE.full_name}
    assert ours <= _reflected(serve_with(dev=True, data_dir=data_dir))
    if TRANSPORT != "native":  # which refuses it
        assert ours <= _reflected(serve_with(reflection=True))


def test_health_needs_no_credentials_and_gives_none(server: Server) -> None:
    """Who may ask for health may not therefore call anything else."""
    assert _status(server) == Status.SERVING
    assert refused(Api(server.channel(), None).signing_keys).reason == "CREDENTIALS_MISSING"


def test_a_store_that_was_emptied_is_told_of_and_used_again(
    serve_with: ServeWith, engine: RealEngine, log: Log
) -> None:
    """All sessions are gone: an operator has to know, and logins go on."""
    server = serve_with(url=engine.url)
    api = server.api()
    session = api.create("alice").session
    with Redis.from_url(engine.url) as redis:
        redis.flushall()
    eventually(lambda: any(e["event"] == "store_emptied" for e in log.entries))
    eventually(lambda: outcome(api.create, "alice") == "OK")
    assert outcome(api.get, session.session_id) == Reason.SESSION_NOT_FOUND
