"""How gRPC is served."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from sessiond.settings.base import CommonSettings
from sessiond.settings.kinds import Duration

LOOPBACK: Final = ("127.0.0.1", "[::1]", "localhost")


class ServingSettings(CommonSettings):
    """Address, transport and limits."""

    listen: str = Field(
        default="127.0.0.1:7700", description="Address and port to serve gRPC on; port 0 picks one."
    )

    tls_cert_file: Path | None = Field(
        default=None, description="PEM certificate chain of this server. With it, TLS only."
    )

    tls_key_file: Path | None = Field(default=None, description="PEM private key of the chain.")

    plaintext: bool = Field(
        default=False,
        description="Serve without TLS on an address that is not loopback, behind a proxy or mesh"
        " that encrypts.",
    )

    reflection: bool | None = Field(
        default=None, description="Serve gRPC reflection; by default only in development mode."
    )

    max_in_flight: int = Field(
        default=1000, ge=1, le=100_000, description="Calls in flight; more are refused at once."
    )

    max_call_time: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="The longest a call may take, also if its deadline is later or missing. Streams"
        " and operators' long work are bounded by their own deadline alone.",
    )

    max_request_bytes: int = Field(
        default=5 * 1024 * 1024, ge=16_384, description="The largest request message, in bytes."
    )

    drain_time: Duration = Field(
        default=timedelta(seconds=10), description="How long calls in flight may finish at a stop."
    )

    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Processes that share the port, supervised by one more; by default one process"
        " serves alone. Limits are of each process.",
    )

    @model_validator(mode="after")
    def _check_transport(self) -> Self:
        host = self.listen.rpartition(":")[0]
        if self.dev and host not in LOOPBACK:
            raise ValueError(
                "SESSIOND_LISTEN: development mode serves loopback only, such as 127.0.0.1:7700"
            )
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("SESSIOND_TLS_CERT_FILE and SESSIOND_TLS_KEY_FILE go together")
        if self.tls_cert_file is None and not self.plaintext and host not in LOOPBACK:
            raise ValueError(
                "SESSIOND_LISTEN: without SESSIOND_TLS_CERT_FILE and SESSIOND_TLS_KEY_FILE only"
                " loopback is served; set SESSIOND_PLAINTEXT=true if a proxy or mesh encrypts"
            )
        return self

    @model_validator(mode="after")
    def _check_workers(self) -> Self:
        # Elsewhere one process would get all connections, or the port cannot be shared at all.
        if self.workers is not None and sys.platform != "linux":
            raise ValueError(
                "SESSIOND_WORKERS: needs Linux, which spreads connections over workers"
            )
        return self
