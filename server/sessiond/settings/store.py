"""Where sessions are kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from sessiond.domain.limits import MAX_BATCH
from sessiond.settings.base import CommonSettings
from sessiond.settings.kinds import Duration


class StoreSettings(CommonSettings):
    """The store, the way to it, and the embedded engine."""

    store_url: str | None = Field(
        default=None,
        description="embedded://DIR, redis://, rediss:// or unix://; by default, in development"
        " mode, embedded in data_dir.",
    )

    store_ca_file: Path | None = Field(
        default=None, description="PEM certificates that a rediss:// server is verified against."
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

    @property
    def effective_store_url(self) -> str:
        """The store URL, or development mode's."""
        return self.store_url or f"embedded://{self.data_dir.resolve() / 'store'}"
