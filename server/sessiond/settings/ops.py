"""What operators see."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from sessiond.settings.base import CommonSettings


class OpsSettings(CommonSettings):
    """The health port, the ops port and the logs."""

    health_listen: str | None = Field(
        default=None,
        pattern=r"^.+:\d+$",
        description="Address and port of one more gRPC server, in plaintext, that answers"
        " grpc.health.v1 and nothing else: for probes that speak no TLS; by default there is none.",
    )

    ops_listen: str | None = Field(
        default=None,
        pattern=r"^(unix:.+|.+:\d+)$",
        description="Address and port, or unix:PATH, of the ops port: health, metrics and public"
        " keys over HTTP, to anybody; by default there is none.",
    )

    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/@]+/?$",
        description="Collector that traces are sent to, over OTLP with gRPC, such as"
        " `http://127.0.0.1:4317`; by default none are. Needs the extra `[otel]`; headers,"
        " certificates and compression are OpenTelemetry's own `OTEL_EXPORTER_OTLP_*`.",
    )

    trace_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of traces that are recorded, of those that begin here. A caller that"
        " sends `traceparent` decides by itself.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log lines to write."
    )

    log_format: Literal["json", "logfmt"] | None = Field(
        default=None,
        description="How log lines look: json, or logfmt; by default logfmt in development mode.",
    )

    audit_log_file: Path | None = Field(
        default=None,
        description="File that admin acts are appended to, a JSON object a line; they are in the"
        " log too, from log_level info on.",
    )

    @property
    def effective_log_format(self) -> Literal["json", "logfmt"]:
        """How log lines look."""
        return self.log_format or ("logfmt" if self.dev else "json")
