"""How gRPC is served."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from sessiond.settings.base import CommonSettings
from sessiond.settings.kinds import Duration

LOOPBACK: Final = ("127.0.0.1", "[::1]", "localhost")
_LARGEST_MESSAGE: Final = 2**31 - 1
"""Bytes that gRPC can be told of."""


class ServingSettings(CommonSettings):
    """Address, transport and limits."""

    listen: str = Field(
        default="127.0.0.1:7700", description="Address and port to serve gRPC on; port 0 picks one."
    )

    tls_cert_file: Path | None = Field(
        default=None, description="PEM certificate chain of this server. With it, TLS only."
    )

    tls_key_file: Path | None = Field(default=None, description="PEM private key of the chain.")

    tls_client_ca_file: Path | None = Field(
        default=None,
        description="PEM certificates of authorities. With it, every client must present a"
        " certificate signed by one of them, which may also tell which caller it is (mTLS).",
    )

    plaintext: bool = Field(
        default=False,
        description="Serve without TLS on an address that is not loopback, behind a proxy or mesh"
        " that encrypts.",
    )

    transport: Literal["grpc", "native"] = Field(
        default="grpc",
        description="What serves gRPC: grpcio, or pygrpc-native (extra `native`), which costs less"
        " and serves plaintext only, on connections of any age.",
    )

    reflection: bool | None = Field(
        default=None, description="Serve gRPC reflection; by default only in development mode."
    )

    max_in_flight: int = Field(
        default=1000, ge=1, le=100_000, description="Calls in flight; more are refused at once."
    )

    caller_max_in_flight: int = Field(
        default=250,
        ge=1,
        description="Of these, those of one caller, unless the callers file says otherwise.",
    )

    caller_calls_per_second: int = Field(
        default=0,
        ge=0,
        description="Calls that one caller may begin in a second at one server, unless the callers"
        " file says otherwise; 0 is no limit.",
    )

    caller_max_watchers: int = Field(
        default=500,
        ge=1,
        description="Streams of WatchSessions of one caller at one server, unless the callers file"
        " says otherwise.",
    )

    max_call_time: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="The longest a call may take, also if its deadline is later or missing. Streams"
        " and operators' long work are bounded by their own deadline alone.",
    )

    max_request_bytes: int = Field(
        default=5 * 1024 * 1024,
        ge=16_384,
        le=_LARGEST_MESSAGE,
        description="The largest request message, in bytes.",
    )

    max_connection_age: Duration = Field(
        default=timedelta(minutes=30),
        ge=timedelta(seconds=1),
        le=timedelta(days=24),
        description="How long a connection is used, give or take a tenth; its client makes a new"
        " one, by the certificates of then, and loses no call.",
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
        if self.tls_client_ca_file and self.tls_cert_file is None:
            raise ValueError(
                "SESSIOND_TLS_CLIENT_CA_FILE: clients show certificates over TLS only, which"
                " SESSIOND_TLS_CERT_FILE and SESSIOND_TLS_KEY_FILE turn on"
            )
        if self.tls_cert_file is None and not self.plaintext and host not in LOOPBACK:
            raise ValueError(
                "SESSIOND_LISTEN: without SESSIOND_TLS_CERT_FILE and SESSIOND_TLS_KEY_FILE only"
                " loopback is served; set SESSIOND_PLAINTEXT=true if a proxy or mesh encrypts"
            )
        return self

    @model_validator(mode="after")
    def _check_native(self) -> Self:
        if self.transport != "native":
            return self
        if self.tls_cert_file is not None:
            raise ValueError(
                "SESSIOND_TRANSPORT: native serves plaintext only; unset SESSIOND_TLS_CERT_FILE and"
                " SESSIOND_TLS_KEY_FILE and let a proxy or mesh encrypt, or choose grpc"
            )
        if "max_connection_age" in self.model_fields_set:
            raise ValueError(
                "SESSIOND_TRANSPORT: native closes no connection for its age; unset"
                " SESSIOND_MAX_CONNECTION_AGE, or choose grpc"
            )
        if self.reflection and not self.dev:
            raise ValueError(
                "SESSIOND_TRANSPORT: native keeps every answer of reflection until it is read, and"
                " it needs no credentials; unset SESSIOND_REFLECTION, or choose grpc"
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
