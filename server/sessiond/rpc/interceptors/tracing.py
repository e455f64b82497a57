"""A span for each call (OpenTelemetry's conventions for gRPC servers).

grpcio's own instrumentation does not see a status that a handler aborts with.
"""

from __future__ import annotations

from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sessiond.rpc.call import Call, Handler, Method, Reply

_FAULTS: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""What the conventions call an error of the server; others are the caller's to judge."""


class Tracing:
    """Continues the trace that a caller's metadata names (W3C Trace Context), or begins one."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Record each call from its begin to its end."""
        name = method.name.removeprefix("/")
        attributes = {"rpc.system.name": "grpc", "rpc.method": name}

        async def traced(call: Call) -> Reply:
            span = self._tracer.start_span(
                name,
                self._propagator.extract(call.metadata),
                kind=SpanKind.SERVER,
                attributes=attributes,
            )
            identity = span.get_span_context()
            call.trace_id = trace.format_trace_id(identity.trace_id)
            call.span_id = trace.format_span_id(identity.span_id)
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                try:
                    return await handler(call)
                finally:
                    if span.is_recording():
                        _describe(span, call)
                    span.end()

        return traced


def _describe(span: Span, call: Call) -> None:
    span.set_attribute("rpc.response.status_code", call.code)
    span.set_attribute("sessiond.request_id", call.request_id)
    for name in ("reason", "outcome"):
        if value := getattr(call, name):
            span.set_attribute(f"sessiond.{name}", value)
    if call.caller.name:
        span.set_attribute("sessiond.caller", call.caller.name)
    if call.code in _FAULTS:
        span.set_attribute("error.type", call.code)
        span.set_status(Status(StatusCode.ERROR))
