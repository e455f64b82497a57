"""Sends spans to a collector over OTLP, from a thread of OpenTelemetry's own."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Tracer

_LAST_SPANS_S: Final = 3.0
"""At a stop: how long a collector that does not answer is waited for."""


class Exporting:
    """The way to one collector. What it cannot take in time is dropped, and holds up no call."""

    def __init__(self, endpoint: str, ratio: float, version: str) -> None:
        """Open it.

        Args:
            endpoint: URL of the collector's gRPC port; `https` verifies it. Headers, certificates,
                compression and timeout are those of OTEL_EXPORTER_OTLP_*.
            ratio: which share of traces is recorded that begin here, 0 to 1. Of one that a caller
                began, the caller has decided.
            version: of this program.
        """
        _tell_through_our_log()
        ours = Resource(
            {
                "service.name": "sessiond",
                "service.version": version,
                "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            }
        )
        self._exporter = OTLPSpanExporter(endpoint=endpoint)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)),
            resource=ours.merge(OTELResourceDetector().detect()),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self.tracer: Final[Tracer] = self._provider.get_tracer("sessiond", version)

    async def close(self) -> None:
        """Send what is left, if the collector takes it within a few seconds."""
        ending = asyncio.create_task(asyncio.to_thread(self._provider.shutdown))
        await asyncio.wait([ending], timeout=_LAST_SPANS_S)
        if not ending.done():
            await asyncio.to_thread(self._exporter.shutdown)
        await ending


class _OurLog(logging.Handler):
    """Puts what OpenTelemetry has to say among our log lines."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._log = structlog.get_logger("sessiond.ops")

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self._log.warning("tracing_problem", problem=record.getMessage())


def _tell_through_our_log() -> None:
    logger = logging.getLogger("opentelemetry")
    if not any(isinstance(handler, _OurLog) for handler in logger.handlers):
        logger.addHandler(_OurLog())
        logger.propagate = False
