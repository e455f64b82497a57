"""A store that hangs: calls end in time, nothing is called valid, and all heals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.message import Message

from sessionstore.v1 import session_service_pb2 as pb
from tests.engines import RealEngine, start_real_engine
from tests.rpc.calls import Api, outcome, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.engines import hung
from tests.rpc.serving import Server, eventually

DEADLINE_S = 0.5
SLACK_S = 0.1
"""What a call may take over its deadline."""
BOX_S = 0.25
"""On top of it: two slow cores, shared with other work."""
ATTEMPTS = 3
"""At being left alone by that work: a server that is late is late each time."""

_ENDS = {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}


@pytest.fixture
def engine() -> Iterator[RealEngine]:
    with start_real_engine("valkey") as started:
        yield started


def _requests(answer: pb.CreateSessionResponse) -> list[Message]:
    session, tokens = answer.session, answer.tokens
    by_id = pb.ValidateSessionRequest(session_id=session.session_id)
    return [
        pb.CreateSessionRequest(user_id="alice"),
        pb.CreateSessionRequest(user_id="alice", request_id="r"),
        pb.RefreshSessionRequest(refresh_token=tokens.refresh_token),
        pb.RefreshSessionRequest(refresh_token=tokens.refresh_token, request_id="r"),
        pb.ExtendSessionRequest(session_id=session.session_id),
        by_id,
        pb.ValidateSessionRequest(access_token=tokens.access_token),
        pb.ValidateSessionRequest(refresh_token=tokens.refresh_token),
        pb.BatchValidateSessionsRequest(requests=[by_id] * 10),
        pb.GetSessionRequest(session_id=session.session_id),
        pb.ListSessionsRequest(user_id="alice"),
        pb.UpdateSessionRequest(session_id=session.session_id),
        pb.RevokeSessionRequest(session_id=session.session_id),
        pb.RevokeUserSessionsRequest(user_id="bob"),
    ]


def _timed(api: Api, request: Message) -> tuple[grpc.StatusCode, float]:
    started = time.monotonic()
    error = refused(api.call, request)
    return error.code, time.monotonic() - started


def test_every_call_to_a_hung_store_ends_at_its_deadline(
    serve_with: ServeWith, engine: RealEngine
) -> None:
    """DEADLINE_EXCEEDED or UNAVAILABLE, never ACTIVE; the server goes on when the store does."""
    server = serve_with(url=engine.url)
    made = server.api().create("alice")
    requests = _requests(made)
    api = server.api(timeout_s=DEADLINE_S)
    healthy = server.api()
    for _ in range(ATTEMPTS):
        with hung(engine), ThreadPoolExecutor(len(requests)) as pool:
            ends = list(pool.map(lambda request: _timed(api, request), requests))
        assert {code for code, _ in ends} <= _ENDS
        latest = max(took for _, took in ends)
        if latest <= DEADLINE_S + SLACK_S + BOX_S:
            break
        eventually(lambda: outcome(healthy.create, "dave") == "OK")
    assert latest <= DEADLINE_S + SLACK_S + BOX_S
    eventually(lambda: outcome(healthy.create, "carol") == "OK")


@pytest.mark.parametrize(
    ("settings", "ends_s"),
    [
        ({"max_call_time": "500ms"}, 0.5),
        ({"store_read_timeout": "500ms"}, 0.5),
    ],
)
def test_the_server_ends_calls_without_a_deadline(
    serve_with: ServeWith, engine: RealEngine, settings: dict[str, str], ends_s: float
) -> None:
    """At the longest call time, or when the store has taken too long to answer."""
    api = serve_with(url=engine.url, **settings).api(timeout_s=30)
    with hung(engine):
        code, took = _timed(api, pb.CreateSessionRequest(user_id="alice"))
    assert code in _ENDS
    assert ends_s - 0.05 <= took <= ends_s + SLACK_S + BOX_S
    eventually(lambda: outcome(api.create, "alice") == "OK")


def test_what_hung_is_done_once_when_retried_with_its_request_id(
    serve_with: ServeWith, engine: RealEngine
) -> None:
    """The engine may still run what it was sent; a retry does not run it again."""
    server = serve_with(url=engine.url)
    with hung(engine):
        impatient = server.api(timeout_s=DEADLINE_S)
        assert refused(impatient.create, "alice", request_id="once").code in _ENDS
    api = server.api()
    eventually(lambda: outcome(api.create, "alice", request_id="once") == "OK")
    assert len(api.list("alice").sessions) == 1


def test_calls_that_clients_cancel_leave_the_server_healthy(server: Server, user: str) -> None:
    """At any moment of a call: neither its neighbours nor later calls notice."""
    api = server.api()
    metadata = (("authorization", f"Bearer {server.mint('admin')}"),)
    call = server.channel().unary_unary(
        "/sessionstore.v1.SessionService/CreateSession",
        pb.CreateSessionRequest.SerializeToString,
        pb.CreateSessionResponse.FromString,
    )

    def cancel_after(delay_s: float) -> None:
        future = call.future(pb.CreateSessionRequest(user_id=user), metadata=metadata)
        time.sleep(delay_s)  # the moment is the point, not a condition
        future.cancel()  # type: ignore[no-untyped-call]

    def create(_: int) -> str:
        return outcome(api.create, f"{user}-2")

    with ThreadPoolExecutor(8) as pool:
        cancelled: Callable[[int], None] = lambda i: cancel_after(i % 10 / 2000)  # noqa: E731
        others = pool.map(create, range(50))
        list(pool.map(cancelled, range(50)))
        assert set(others) == {"OK"}
    assert len(api.list(user, page_size=200, states=[1]).sessions) <= 10
    assert outcome(api.create, user) == "OK"
