"""A collector of traces, as OpenTelemetry's own listens for them: OTLP over gRPC."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def attributes(of: Any) -> dict[str, Any]:
    """The attributes of a span or a resource."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in of.attributes}


@dataclass(frozen=True)
class Seen:
    """One span."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    failed: bool
    attributes: dict[str, Any]
    times: tuple[int, int]
    text: str
    """All of it, to search for what must not be there."""


class Collector(TraceServiceServicer):
    """What has come."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.resource: dict[str, Any] = {}

    def Export(  # noqa: N802  the RPC's name
        self, request: ExportTraceServiceRequest, _: Any
    ) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            self.resource = attributes(resource.resource)
            self.spans += [_seen(span) for scope in resource.scope_spans for span in scope.spans]
        return ExportTraceServiceResponse()

    def named(self, name: str) -> list[Seen]:
        return [span for span in self.spans if span.name == name]

    def wait_for(self, name: str, number: int = 1) -> list[Seen]:
        """The spans of this name, once there are so many."""
        deadline = time.monotonic() + 20
        while len(found := self.named(name)) < number:
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} is not among {[s.name for s in self.spans]}")
            time.sleep(0.01)
        return found

    def children(self, of: Seen) -> list[Seen]:
        return [span for span in self.spans if span.parent_id == of.span_id]


def _seen(span: Span) -> Seen:
    return Seen(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=attributes(span),
        times=(span.start_time_unix_nano, span.end_time_unix_nano),
        text=str(span),
    )


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector, and its URL."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
