"""Where sessions are kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from sessiond.domain.limits import MAX_BATCH
from sessiond.settings.base import CommonSettings, variable
from sessiond.settings.kinds import Duration


class StoreSettings(CommonSettings):
    """The store, the way to it, and the embedded engine."""

    store_url: str | None = Field(
        default=None,
        description="embedded://DIR, redis://, rediss:// or unix://, or with +sentinel or +cluster;"
        " by default, in development mode, embedded in data_dir.",
    )

    store_username: str | None = Field(
        default=None,
        description="User of the store's ACL; goes before the one in the URL.",
    )

    store_password: SecretStr | None = Field(
        default=None, description="Password of the store; goes before the one in the URL."
    )

    store_password_file: Path | None = Field(
        default=None,
        description="File with the password on its first line instead, read at each connection.",
    )

    store_client_name: str = Field(
        default="sessiond",
        pattern=r"^[\x21-\x7e]{1,64}$",
        description="How connections are named in the store's CLIENT LIST.",
    )

    store_ca_file: Path | None = Field(
        default=None,
        description="PEM certificates that a rediss:// server is verified against; by default the"
        " system's.",
    )

    store_cert_file: Path | None = Field(
        default=None,
        description="PEM certificate chain for a rediss:// server that asks for one, read at each"
        " connection.",
    )

    store_key_file: Path | None = Field(default=None, description="PEM private key of that chain.")

    store_sentinel_username: str | None = Field(
        default=None, description="User of the sentinels' ACL."
    )

    store_sentinel_password: SecretStr | None = Field(
        default=None,
        description="Password of the sentinels: they have none of the store's credentials.",
    )

    store_sentinel_password_file: Path | None = Field(
        default=None, description="File with that password on its first line instead."
    )

    store_max_in_flight: int = Field(
        default=10_000,
        ge=MAX_BATCH,
        le=1_000_000,
        description="Commands that wait for the store; more are refused at once.",
    )

    store_connect_timeout: Duration = Field(
        default=timedelta(seconds=1),
        gt=timedelta(0),
        description="How long connecting to the store may take.",
    )

    store_read_timeout: Duration = Field(
        default=timedelta(seconds=2),
        gt=timedelta(0),
        description="How long the store may be silent while it owes answers, connecting included.",
    )

    store_wait_replicas: int = Field(
        default=0,
        ge=0,
        le=100,
        description="RevokeSession and RevokeUserSessions wait until so many replicas have the"
        " ending, and say how many do; 0 does not wait.",
    )

    store_wait_timeout: Duration = Field(
        default=timedelta(milliseconds=500),
        ge=timedelta(milliseconds=1),
        le=timedelta(seconds=10),
        description="How long they wait at most; then too the session has ended.",
    )

    key_prefix: str = Field(
        default="ss",
        pattern=r"^[A-Za-z0-9_.-]{1,32}$",
        description="What every key in the store starts with.",
    )

    embedded_appendfsync: Literal["always", "everysec", "no"] = Field(
        default="everysec", description="appendfsync of the embedded engine."
    )

    embedded_maxmemory: str | None = Field(
        default=None, pattern=r"^\d+(kb|mb|gb)?$", description="maxmemory of the embedded engine."
    )

    @model_validator(mode="after")
    def _check_access(self) -> Self:
        for one in ("store_password", "store_sentinel_password"):
            if getattr(self, one) is not None and getattr(self, f"{one}_file") is not None:
                raise ValueError(f"{variable(one)} and {variable(one)}_FILE: only one of the two")
        if (self.store_cert_file is None) != (self.store_key_file is None):
            raise ValueError("SESSIOND_STORE_CERT_FILE and SESSIOND_STORE_KEY_FILE go together")
        if not self.effective_store_url.startswith("rediss"):
            for name in ("store_ca_file", "store_cert_file"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{variable(name)}: the store is reached without TLS")
        if self.store_wait_replicas and self.effective_store_url.startswith("embedded"):
            raise ValueError("SESSIOND_STORE_WAIT_REPLICAS: the embedded engine has no replicas")
        return self

    @property
    def effective_store_url(self) -> str:
        """The store URL, or development mode's."""
        return self.store_url or f"embedded://{self.data_dir.resolve() / 'store'}"
