"""What Prometheus is told of calls, tokens, the store and the process."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import grpc
import pytest

from sessiond.domain.errors import Reason
from sessiond.ops.metrics.catalogue import CATALOGUE
from sessionstore.v1 import session_service_pb2 as pb
from tests.engines import RealEngine
from tests.ops.scraping import Samples, scrape
from tests.rpc.calls import outcome
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import Server, eventually
from tests.rpc.streaming import Caller, Streams, endless, join, wire
from tests.rpc.watching import watched

SERVICE = "sessionstore.v1.SessionService"


@pytest.fixture
def server(serve_with: ServeWith) -> Server:
    """A server with an ops port, of the test's own."""
    return serve_with(ops_listen="127.0.0.1:0", grace_time="0s")


@pytest.fixture
def shown(server: Server) -> Callable[[], Samples]:
    """Scrapes it."""
    return lambda: scrape(server.app.ops_address)


def of(rpc: str, kind: str = "unary") -> tuple[str, ...]:
    """The values of a method's labels, sorted by label name: method, service, type."""
    return (rpc, SERVICE, kind)


def test_calls_are_counted_as_dashboards_expect(
    server: Server, shown: Callable[[], Samples]
) -> None:
    """Started, handled by status, seconds and messages, with go-grpc-middleware's labels."""
    api = server.api()
    made = api.call(pb.CreateSessionRequest(user_id="alice"))
    for _ in range(3):
        api.call(pb.GetSessionRequest(session_id=made.session.session_id))
    with pytest.raises(grpc.RpcError):
        api.call(pb.GetSessionRequest(session_id="x"))
    with pytest.raises(grpc.RpcError):
        server.api("reader").call(pb.CreateSessionRequest(user_id="alice"))
    samples = shown()
    assert samples["grpc_server_started_total", *of("GetSession")] == 4
    assert samples["grpc_server_handled_total", "OK", *of("GetSession")] == 3
    assert samples["grpc_server_handled_total", "InvalidArgument", *of("GetSession")] == 1
    assert samples["grpc_server_handled_total", "PermissionDenied", *of("CreateSession")] == 1
    assert samples["grpc_server_msg_received_total", *of("GetSession")] == 4
    assert samples["grpc_server_msg_sent_total", *of("GetSession")] == 3
    assert samples["grpc_server_handling_seconds_count", *of("GetSession")] == 4
    assert samples["grpc_server_handling_seconds_bucket", *of("GetSession"), "+Inf"] == 4
    assert 0 < samples["grpc_server_handling_seconds_sum", *of("GetSession")] < 10
    assert samples["sessiond_refusals_total", "INVALID_FIELD"] == 1
    assert samples["sessiond_refusals_total", "ROLE_REQUIRED"] == 1


def test_how_long_a_refusal_was_held_back_is_no_time_of_the_servers(serve_with: ServeWith) -> None:
    """Else a caller over its limits would look like a server that is slow."""
    server = serve_with(ops_listen="127.0.0.1:0", caller_calls_per_second=1)
    api, refused = server.api(), 0
    while refused < 2:  # each is held for half a second at least
        refused += outcome(api.signing_keys) == Reason.CALLER_LIMIT_REACHED
    samples = scrape(server.app.ops_address)
    assert samples["sessiond_refusals_total", "CALLER_LIMIT_REACHED"] == 2
    assert samples["grpc_server_handling_seconds_sum", *of("GetSigningKeys")] < 0.5


def test_what_did_not_happen_yet_is_zero(shown: Callable[[], Samples]) -> None:
    """So that the first error, the first RECOVERED and the first REUSED are a rise."""
    samples = shown()
    assert samples["grpc_server_handled_total", "Unavailable", *of("ValidateSession")] == 0
    assert samples["grpc_server_started_total", *of("WatchSessions", "server_stream")] == 0
    for came in ("recovered", "reused", "ahead"):
        assert samples["sessiond_refreshes_total", came] == 0
    assert samples["sessiond_refusals_total", "STORE_FULL"] == 0


def test_messages_of_streams_are_counted_as_they_go(
    streams: Streams, serve_with: ServeWith
) -> None:
    """Not only once the stream is over; one that its client ended was CANCELLED."""
    server = serve_with(ops_listen="127.0.0.1:0")
    caller = Caller(server)
    streams.work = join
    assert caller.finish("Up", [wire(b"a"), wire(b"b"), wire(b"c")]) == [b"abc"]
    streams.work = endless
    call = caller.down()
    for _ in range(20):
        next(call)
    method = ("Down", "tests.Streams", "server_stream")
    open_ = scrape(server.app.ops_address)
    assert open_["grpc_server_msg_received_total", "Up", "tests.Streams", "client_stream"] == 3
    assert open_["grpc_server_msg_sent_total", "Up", "tests.Streams", "client_stream"] == 1
    assert open_["grpc_server_msg_received_total", *method] == 1
    assert open_["grpc_server_msg_sent_total", *method] >= 20
    assert open_["grpc_server_handled_total", "Canceled", *method] == 0
    call.cancel()
    key = ("grpc_server_handled_total", "Canceled", *method)
    eventually(lambda: scrape(server.app.ops_address)[key] == 1)


def test_tokens_are_counted_by_what_came_of_them(
    server: Server, shown: Callable[[], Samples]
) -> None:
    """Refreshes by outcome, those that were refused too, and validations by verdict."""
    api = server.api()
    made = api.call(pb.CreateSessionRequest(user_id="alice"))
    first = made.tokens.refresh_token
    request = pb.RefreshSessionRequest(refresh_token=first, request_id=str(uuid.uuid4()))
    for _ in range(2):
        api.call(request)
    for token in (first, "srt1_" + "x" * 60):
        with pytest.raises(grpc.RpcError):
            api.call(pb.RefreshSessionRequest(refresh_token=token))
    api.call(pb.ValidateSessionRequest(session_id=made.session.session_id))
    api.call(pb.ValidateSessionRequest(access_token="x"))
    samples = shown()
    refreshes = {name[1]: n for name, n in samples.items() if name[0] == "sessiond_refreshes_total"}
    assert {k: v for k, v in refreshes.items() if v} == {
        "rotated": 1,
        "replayed": 1,
        "reused": 1,
        "invalid": 1,
    }
    assert samples["sessiond_validations_total", "ended"] == 1
    assert samples["sessiond_validations_total", "token_invalid"] == 1


def test_the_fleet_shows_what_the_store_counts(serve_with: ServeWith) -> None:
    """On every server the same: a new one shows what ended before it came."""
    server = serve_with()
    api = server.api()
    for _ in range(3):
        made = api.call(pb.CreateSessionRequest(user_id="alice"))
    api.call(pb.RevokeSessionRequest(session_id=made.session.session_id))
    other = serve_with(ops_listen="127.0.0.1:0", key_prefix=server.settings.key_prefix)
    eventually(lambda: ("sessiond_users",) in scrape(other.app.ops_address))
    samples = scrape(other.app.ops_address)
    assert samples["sessiond_sessions", "live"] == 2
    assert samples["sessiond_sessions", "ended"] == 1
    assert samples["sessiond_users",] == 1
    assert samples["sessiond_fleet_sessions_created_total",] == 3
    assert samples["sessiond_fleet_sessions_ended_total", "revoked"] == 1
    assert samples["sessiond_fleet_sessions_ended_total", "token_reused"] == 0
    assert samples["sessiond_reaper_lag_seconds",] == 0


def test_the_store_is_timed_by_script(server: Server, shown: Callable[[], Samples]) -> None:
    """Each by its name; commands of one tick are one write."""
    api = server.api()
    made = api.call(pb.CreateSessionRequest(user_id="alice"))
    before = shown()
    batch = pb.BatchValidateSessionsRequest()
    for _ in range(30):
        batch.requests.add(session_id=made.session.session_id)
    api.call(batch)
    samples = shown()
    assert samples["sessiond_store_command_seconds_count", "create"] == 1
    assert samples["sessiond_store_command_seconds_count", "validate"] == 30
    assert 0 < samples["sessiond_store_command_seconds_sum", "validate"] < 30 * 5
    assert samples["sessiond_store_connections",] == 1
    assert samples["sessiond_store_connects_total", "ok"] == 1
    writes, small = (
        samples["sessiond_store_batch_commands_bucket", bound]
        - before["sessiond_store_batch_commands_bucket", bound]
        for bound in ("+Inf", "16")
    )
    assert writes - small == 1


def test_a_lost_connection_shows(serve_with: ServeWith, mortal: RealEngine) -> None:
    """As failed attempts meanwhile, and as one more connect once the engine is back."""
    server = serve_with(url=mortal.url, ops_listen="127.0.0.1:0")
    mortal.kill9()
    eventually(lambda: scrape(server.app.ops_address)["sessiond_store_connects_total", "failed"])
    assert scrape(server.app.ops_address)["sessiond_store_connections",] == 0
    mortal.start()
    eventually(lambda: scrape(server.app.ops_address)["sessiond_store_connects_total", "ok"] == 2)
    samples = scrape(server.app.ops_address)
    assert samples["sessiond_store_command_errors_total", "lost"] > 0
    assert 0 <= samples["sessiond_store_commands_in_flight",] <= 64


def test_every_metric_is_in_the_catalogue(server: Server, shown: Callable[[], Samples]) -> None:
    """And the catalogue names none that a server does not show, once its jobs have run too.

    A supervisor adds its own.
    """
    server.api().call(pb.CreateSessionRequest(user_id="alice"))
    watch = watched(server)
    catalogued = {definition.name for definition in CATALOGUE}
    of_others = {
        name for name in catalogued if name.startswith(("sessiond_job_", "sessiond_worker"))
    }

    def found() -> set[str]:
        names = {re.sub("_(bucket|count|sum)$", "", name[0]) for name in shown()}
        return {name for name in names if not name.startswith("process_")}

    eventually(lambda: found() >= catalogued - of_others)
    assert found() <= catalogued
    watch.close()
