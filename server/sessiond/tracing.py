"""Builds what traces calls, where it is asked for: before, nothing of OpenTelemetry is imported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sessiond.domain.errors import StartupError
from sessiond.rpc.call import Interceptor
from sessiond.store.link import Link
from sessiond.store.runner import ScriptRunner
from sessionstore._version import __version__


@dataclass(frozen=True, slots=True)
class Tracing:
    """What goes into a server."""

    interceptors: tuple[Interceptor, ...]
    """Around every call."""
    runner: Callable[[Link], ScriptRunner]
    """What asks the engine."""
    close: Callable[[], Awaitable[None]]
    """Sends what is left, once the last call is over."""


def open_tracing(endpoint: str, ratio: float) -> Tracing:
    """Begin to send traces; see `Exporting` for what is given.

    Raises:
        StartupError: OpenTelemetry is not installed.
    """
    try:
        from sessiond.ops.tracing import Exporting, TracedRunner  # noqa: PLC0415
        from sessiond.rpc.interceptors.tracing import Tracing as Interception  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise StartupError(
            f"SESSIOND_OTLP_ENDPOINT: there is no {error.name}: pip install 'sessionstore[otel]'"
        ) from None

    exporting = Exporting(endpoint, ratio, __version__)
    return Tracing(
        interceptors=(Interception(exporting.tracer),),
        runner=lambda link: TracedRunner(link, exporting.tracer),
        close=exporting.close,
    )
