"""Builds what traces calls, where it is asked for: before, nothing that sends them is imported."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sessiond.domain.errors import StartupError
from sessiond.rpc.call import Interceptor
from sessiond.store.link import Link
from sessiond.store.runner import ScriptRunner
from sessiond.version import VERSION


@dataclass(frozen=True, slots=True)
class Tracing:
    """What goes into a server."""

    interceptors: tuple[Interceptor, ...]
    """Around every call."""
    runner: Callable[[Link], ScriptRunner]
    """What asks the engine."""
    close: Callable[[], Awaitable[None]]
    """Sends what is left, once the last call is over."""


def check_tracing() -> None:
    """Import what sends traces.

    Raises:
        StartupError: OpenTelemetry is not installed.
    """
    try:
        importlib.import_module("sessiond.ops.tracing")
    except ModuleNotFoundError as error:
        raise StartupError(
            f"SESSIOND_OTLP_ENDPOINT: there is no {error.name}: pip install 'sessionstore[otel]'"
        ) from None


def open_tracing(endpoint: str, ratio: float) -> Tracing:
    """Begin to send traces.

    Args:
        endpoint: of the collector; see `Exporting`.
        ratio: share of traces that are recorded, of those that begin here: 0 to 1.

    Raises:
        StartupError: OpenTelemetry is not installed.
    """
    check_tracing()
    from sessiond.ops.tracing import Exporting, TracedRunner  # noqa: PLC0415
    from sessiond.rpc.interceptors.tracing import Tracing as Interception  # noqa: PLC0415

    exporting = Exporting(endpoint, VERSION)
    return Tracing(
        interceptors=(Interception(exporting.tracer, ratio),),
        runner=lambda link: TracedRunner(link, exporting.tracer),
        close=exporting.close,
    )
