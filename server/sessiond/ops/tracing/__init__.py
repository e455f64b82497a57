"""Traces of calls, sent to an OpenTelemetry collector. Imported only where they are asked for.

It needs the extra `[otel]`.
"""

from sessiond.ops.tracing.exporting import Exporting
from sessiond.ops.tracing.store import TracedRunner

__all__ = ["Exporting", "TracedRunner"]
