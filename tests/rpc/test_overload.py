"""More calls in flight than the server takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sessiond.domain.errors import Reason
from sessionstore.v1 import admin_service_pb2 as admin_pb
from sessionstore.v1 import session_service_pb2 as pb
from tests.engines import RealEngine, start_real_engine
from tests.rpc.calls import SERVICE, Api, outcome, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.engines import hung
from tests.rpc.importing import old_session
from tests.rpc.serving import Server, eventually
from tests.rpc.streaming import Requests

MOST = 4
FAST_S = 0.25
"""A refusal takes about a millisecond; the rest is for a box that is busy with others."""


@pytest.fixture
def engine() -> Iterator[RealEngine]:
    with start_real_engine("valkey") as started:
        yield started


@pytest.fixture
def server(serve_with: ServeWith, engine: RealEngine) -> Server:
    """A server that takes few calls, and waits long for its engine."""
    return serve_with(
        url=engine.url, max_in_flight=MOST, max_call_time="8s", store_read_timeout="8s"
    )


@contextmanager
def _filled(engine: RealEngine, api: Api) -> Iterator[list[Future[str]]]:
    """As many calls in flight as the server takes, for as long as the engine hangs."""
    with ThreadPoolExecutor(MOST) as pool, hung(engine):
        calls = [pool.submit(outcome, api.create, f"user-{i}") for i in range(MOST)]
        eventually(lambda: outcome(api.signing_keys) == Reason.OVERLOADED)
        yield calls


def test_calls_over_the_bound_are_refused_at_once(server: Server, engine: RealEngine) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo, before any work; health checks are still answered."""
    api = server.api()
    with _filled(engine, api):
        for _ in range(20):
            started = time.monotonic()
            error = refused(api.signing_keys)
            assert time.monotonic() - started < FAST_S
            assert (error.code, error.reason) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                Reason.OVERLOADED,
            )
            assert error.retry_s is not None
            assert 0 < error.retry_s <= 1
        health = health_pb2_grpc.HealthStub(server.channel())
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=1).status


def test_calls_within_the_bound_are_served_and_the_server_recovers(
    server: Server, engine: RealEngine
) -> None:
    """Those in flight get their answers once the engine goes on, and the next ones too."""
    api = server.api()
    with _filled(engine, api) as calls:
        pass
    assert [call.result() for call in calls] == ["OK"] * MOST
    with ThreadPoolExecutor(MOST) as pool:
        answers = list(pool.map(lambda i: outcome(api.create, f"user-{i}"), range(40)))
    assert answers == ["OK"] * 40


def test_callers_that_go_away_make_room(server: Server, engine: RealEngine) -> None:
    """A cancelled call is no longer in flight, though the engine still hangs."""
    api = server.api()
    call = server.channel().unary_unary(
        "/sessionstore.v1.SessionService/CreateSession",
        pb.CreateSessionRequest.SerializeToString,
        pb.CreateSessionResponse.FromString,
    )
    metadata = (("authorization", f"Bearer {server.mint('admin')}"),)
    request = pb.CreateSessionRequest(user_id="alice")
    with hung(engine):
        calls = [call.future(request, metadata=metadata) for _ in range(MOST)]
        eventually(lambda: outcome(api.signing_keys) == Reason.OVERLOADED)
        for each in calls:
            each.cancel()  # type: ignore[no-untyped-call]
        eventually(lambda: outcome(api.signing_keys) == "OK")


def test_a_large_request_without_credentials_costs_the_server_nothing(server: Server) -> None:
    """It is refused before it is parsed, and nobody else waits for it."""
    junk = b"\xf8\x07\x01" * 1_500_000 + b"\x0a\x02\xff\xff"
    api = server.api()
    anonymous = server.channel().unary_unary(f"/{SERVICE.full_name}/GetSession", bytes, bytes)
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as error:
        anonymous(junk, timeout=15)
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert time.monotonic() - started < 2
    assert outcome(api.signing_keys) == "OK"


def test_long_calls_of_operators_are_few_at_a_time(serve_with: ServeWith) -> None:
    """More are refused, all else is served, and one that ends makes room."""
    admin = serve_with().admin()
    running = []
    for i in range(MOST):
        requests = Requests[admin_pb.ImportSessionsRequest]()
        requests.send(admin_pb.ImportSessionsRequest(sessions=[old_session("alice", f"{i}")]))
        running.append(admin.importing(iter(requests)))
        next(running[-1])
    assert outcome(admin.audit) == outcome(admin.users) == Reason.OVERLOADED
    assert outcome(admin.stats) == "OK"
    running[0].cancel()
    eventually(lambda: outcome(admin.audit) == "OK")
    for answers in running:
        answers.cancel()
