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
        pattern=r"^.+:\d+$",
        description="Address and port to serve metrics on, over HTTP at /metrics, to anybody; by"
        " default none are.",
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
