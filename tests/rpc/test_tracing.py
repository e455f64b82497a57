"""Traces of a real server, as a collector gets them."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from sessionstore.v1 import session_service_pb2 as pb
from tests.engines import RealEngine
from tests.ops.collector import Collector, collecting
from tests.rpc.calls import Api
from tests.rpc.conftest import ServeWith
from tests.rpc.logs import captured
from tests.rpc.process import environment
from tests.rpc.serving import Server, eventually
from tests.rpc.streaming import Caller, Streams, endless

SERVICE = "sessionstore.v1.SessionService"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Collector, str]]:
    """One that gets spans at once."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    with collecting() as started:
        yield started


@pytest.fixture
def spans(collector: tuple[Collector, str]) -> Collector:
    """What it got."""
    return collector[0]


@pytest.fixture
def traced(serve_with: ServeWith, collector: tuple[Collector, str]) -> Server:
    """A server that records every trace."""
    return serve_with(otlp_endpoint=collector[1], trace_ratio=1.0)


def parent_of(sampled: bool = True) -> tuple[str, str, str]:
    """A trace, a span, and the `traceparent` that names them (W3C Trace Context, 3.2)."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return trace_id, span_id, f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"


def create(api: Api, traceparent: str = "") -> pb.CreateSessionResponse:
    """A login, as a part of a trace."""
    metadata = (("traceparent", traceparent),) if traceparent else ()
    data = pb.CreateSessionRequest(user_id="alice").SerializeToString()
    return pb.CreateSessionResponse.FromString(api.raw("CreateSession", data, metadata=metadata))


def test_a_call_is_a_span_with_its_redis_call(traced: Server, spans: Collector) -> None:
    """As OpenTelemetry's conventions name them; the child lies within its parent."""
    create(traced.api("writer"))
    (call,) = spans.wait_for(f"{SERVICE}/CreateSession")
    assert (call.kind, call.failed, call.parent_id) == ("SERVER", False, "")
    assert call.attributes["rpc.system.name"] == "grpc"
    assert call.attributes["rpc.method"] == f"{SERVICE}/CreateSession"
    assert call.attributes["rpc.response.status_code"] == "OK"
    assert call.attributes["sessiond.caller"] == "writer"
    (script,) = spans.wait_for("EVALSHA create")
    assert spans.children(call) == [script]
    assert (script.kind, script.trace_id, script.failed) == ("CLIENT", call.trace_id, False)
    assert script.attributes == {
        "db.system.name": "redis",
        "db.operation.name": "EVALSHA",
        "db.stored_procedure.name": "create",
    }
    assert call.times[0] <= script.times[0] <= script.times[1] <= call.times[1]
    assert spans.resource["service.name"] == "sessiond"
    assert spans.resource["service.version"]


def test_a_trace_goes_on_that_a_caller_began(traced: Server, spans: Collector) -> None:
    """The caller's span is the parent."""
    trace_id, span_id, traceparent = parent_of()
    create(traced.api("writer"), traceparent)
    (call,) = spans.wait_for(f"{SERVICE}/CreateSession")
    assert (call.trace_id, call.parent_id) == (trace_id, span_id)


def test_the_caller_decides_what_is_recorded(
    serve_with: ServeWith, collector: tuple[Collector, str]
) -> None:
    """Of traces that begin here, only the share of the settings is."""
    server = serve_with(otlp_endpoint=collector[1], trace_ratio=0.0)
    api = server.api("writer")
    create(api)
    create(api, parent_of(sampled=False)[2])
    create(api, "00-not-a-trace-01")
    trace_id, _, traceparent = parent_of()
    create(api, traceparent)
    (call,) = collector[0].wait_for(f"{SERVICE}/CreateSession")
    server.loop.run(server.app.stop())
    assert {span.trace_id for span in collector[0].spans} == {trace_id}
    assert call.trace_id == trace_id


def test_a_batch_has_few_spans(traced: Server, spans: Collector) -> None:
    """One for all scripts that are sent together, of which a large batch has several lots."""
    made = create(traced.api("writer"))
    batch = pb.BatchValidateSessionsRequest()
    for _ in range(100):
        batch.requests.add(session_id=made.session.session_id)
    traced.api().call(batch)
    (call,) = spans.wait_for(f"{SERVICE}/BatchValidateSessions")
    scripts = spans.children(call)
    assert {script.name for script in scripts} == {"EVALSHA validate"}
    assert sorted(s.attributes["db.operation.batch.size"] for s in scripts) == [4, 32, 32, 32]


@pytest.mark.parametrize(
    ("caller", "code", "reason"),
    [
        ("reader", "PERMISSION_DENIED", "ROLE_REQUIRED"),
        ("writer", "INVALID_ARGUMENT", "INVALID_FIELD"),
    ],
)
def test_a_refused_call_has_its_status(
    traced: Server, spans: Collector, caller: str, code: str, reason: str
) -> None:
    """And is no fault of the server."""
    with pytest.raises(grpc.RpcError):
        traced.api(caller).call(pb.CreateSessionRequest())
    (call,) = spans.wait_for(f"{SERVICE}/CreateSession")
    assert call.attributes["rpc.response.status_code"] == code
    assert call.attributes["sessiond.reason"] == reason
    assert not call.failed


def test_a_store_that_is_gone_is_an_error_in_both_spans(
    serve_with: ServeWith, collector: tuple[Collector, str], mortal: RealEngine
) -> None:
    """The call failed, because what it asked of the engine did."""
    server = serve_with(otlp_endpoint=collector[1], trace_ratio=1.0, url=mortal.url)
    mortal.kill9()
    with pytest.raises(grpc.RpcError):
        create(server.api("writer"))
    (call,) = collector[0].wait_for(f"{SERVICE}/CreateSession")
    (script,) = collector[0].children(call)
    assert call.failed
    assert call.attributes["error.type"] == "UNAVAILABLE"
    assert call.attributes["sessiond.reason"] == "STORE_UNAVAILABLE"
    assert script.failed
    assert script.attributes["error.type"] == "ConnectionLostError"


def test_a_call_whose_time_runs_out_says_so(
    serve_with: ServeWith, collector: tuple[Collector, str], mortal: RealEngine
) -> None:
    """So does what it waited for."""
    server = serve_with(
        otlp_endpoint=collector[1], trace_ratio=1.0, url=mortal.url, max_call_time="300ms"
    )
    if mortal.pid is None:
        raise AssertionError("the engine runs")
    os.kill(mortal.pid, signal.SIGSTOP)
    try:
        with pytest.raises(grpc.RpcError):
            create(server.api("writer"))
    finally:
        os.kill(mortal.pid, signal.SIGCONT)
    (call,) = collector[0].wait_for(f"{SERVICE}/CreateSession")
    (script,) = collector[0].children(call)
    assert (call.failed, call.attributes["error.type"]) == (True, "DEADLINE_EXCEEDED")
    assert (script.failed, script.attributes["error.type"]) == (True, "CancelledError")


def test_a_stream_is_one_span(
    streams: Streams, serve_with: ServeWith, collector: tuple[Collector, str]
) -> None:
    """From its begin until its client leaves, which is nobody's fault."""
    server = serve_with(otlp_endpoint=collector[1], trace_ratio=1.0)
    streams.work = endless
    call = Caller(server).down()
    next(call)
    call.cancel()
    (span,) = collector[0].wait_for("tests.Streams/Down")
    assert (span.attributes["rpc.response.status_code"], span.failed) == ("CANCELLED", False)


def test_log_lines_name_the_trace(serve_with: ServeWith, collector: tuple[Collector, str]) -> None:
    """Those of a call, with its request id, and of an operator's act."""
    trace_id, _, traceparent = parent_of()
    with captured() as log:
        server = serve_with(otlp_endpoint=collector[1], trace_ratio=1.0)
        create(server.api("writer"), traceparent)
        server.admin().stats()
        eventually(lambda: len([e for e in log.entries if e["event"] == "call"]) == 2)
    calls = [entry for entry in log.entries if entry["event"] == "call"]
    (act,) = (entry for entry in log.entries if entry["event"] == "admin_act")
    assert calls[0]["trace_id"] == trace_id
    assert len(calls[0]["span_id"]) == 16
    assert calls[0]["request_id"]
    assert (calls[1]["trace_id"], calls[1]["span_id"]) == (act["trace_id"], act["span_id"])


def test_log_lines_name_a_trace_that_is_not_recorded(
    serve_with: ServeWith, collector: tuple[Collector, str]
) -> None:
    """By the ids that the caller sent, if they are such."""
    trace_id, span_id, traceparent = parent_of(sampled=False)
    with captured() as log:
        server = serve_with(otlp_endpoint=collector[1], trace_ratio=0.0)
        for sent in (traceparent, traceparent.replace(trace_id, "0" * 32), f"00-{trace_id}"):
            create(server.api("writer"), sent)
        eventually(lambda: len([e for e in log.entries if e["event"] == "call"]) == 3)
    first, *others = (entry for entry in log.entries if entry["event"] == "call")
    assert (first["trace_id"], first["span_id"]) == (trace_id, span_id)
    assert not any("trace_id" in other for other in others)


def test_no_secret_is_in_a_span(traced: Server, spans: Collector) -> None:
    """Neither tokens nor users nor session ids, also where a call fails."""
    api = traced.api("writer")
    made = create(api)
    token = made.tokens.refresh_token
    api.call(pb.RefreshSessionRequest(refresh_token=token))
    with pytest.raises(grpc.RpcError):
        api.call(pb.RefreshSessionRequest(refresh_token=token[:-4] + "AAAA"))
    spans.wait_for(f"{SERVICE}/RefreshSession", 2)
    text = "".join(span.text for span in spans.spans)
    for secret in ("alice", token[5:40], made.session.session_id, made.tokens.access_token[-40:]):
        assert secret not in text


def test_background_work_begins_no_trace(traced: Server, spans: Collector) -> None:
    """The server looks at its store all the time; that is in no trace."""
    create(traced.api("writer"))
    spans.wait_for("EVALSHA create")
    traced.loop.run(traced.app.stop())
    assert {span.name for span in spans.spans} == {f"{SERVICE}/CreateSession", "EVALSHA create"}


def test_what_is_left_is_sent_at_a_stop(
    serve_with: ServeWith, collector: tuple[Collector, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when it would have been anyway."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
    server = serve_with(otlp_endpoint=collector[1], trace_ratio=1.0)
    create(server.api("writer"))
    assert collector[0].spans == []
    server.loop.run(server.app.stop())
    assert collector[0].named(f"{SERVICE}/CreateSession")


def test_a_collector_that_is_away_holds_nothing_up(serve_with: ServeWith) -> None:
    """Neither calls nor a stop; the log says so in lines of its own form."""
    with captured() as log:
        server = serve_with(otlp_endpoint="http://127.0.0.1:1", trace_ratio=1.0)
        for _ in range(20):
            create(server.api("writer"))
        begun = time.monotonic()
        server.loop.run(server.app.stop())
        took_s = time.monotonic() - begun
    assert took_s < 10
    assert [e for e in log.entries if e["event"] == "tracing_problem"]


def test_without_an_endpoint_nothing_is_imported(tmp_path: Path) -> None:
    """A server that does not trace does without OpenTelemetry's exporter."""
    script = (
        "import sys, sessiond.running.process\n"
        "ours = ('sessiond.ops.tracing', 'sessiond.rpc.interceptors.tracing')\n"
        "there = {*ours, 'opentelemetry.exporter'} & set(sys.modules)\n"
        "sys.exit(', '.join(there or {'sessiond.app'} - set(sys.modules)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "says"), [("serve", "stderr"), ("config check", "stdout")], ids=["serve", "check"]
)
def test_tracing_needs_its_extra(tmp_path: Path, command: str, says: str) -> None:
    """The start says what to install, and leaves nothing behind; so does the check before it."""
    script = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        f"sys.argv = ['sessiond', *'{command} --dev'.split()]\n"
        "from sessiond.__main__ import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(otlp_endpoint="http://127.0.0.1:4317", log_format="json"),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "pip install 'sessionstore[otel]'" in getattr(done, says)
    assert not list(tmp_path.iterdir())
