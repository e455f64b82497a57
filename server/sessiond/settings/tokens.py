"""Keys, tokens, and who may call."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from sessiond.settings.base import CommonSettings
from sessiond.settings.kinds import CLAIM, Duration


class TokenSettings(CommonSettings):
    """The key ring, the callers, and what tokens say."""

    keys_dir: Path | None = Field(
        default=None,
        description="The key ring's directory; by default, in development mode, in data_dir.",
    )

    key_reload_interval: Duration = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="How often key ring, callers file and certificates are looked at for changes.",
    )

    key_publish_time: Duration = Field(
        default=timedelta(minutes=10),
        description="How long a new key is published before it signs.",
    )

    callers_file: Path | None = Field(
        default=None,
        description="TOML file of callers and their roles; by default, in development mode, in"
        " data_dir.",
    )

    issuer: str = Field(
        default="sessionstore",
        max_length=128,
        pattern=CLAIM,
        description="The iss claim of access tokens.",
    )

    audience: str = Field(
        default="sessionstore",
        max_length=256,
        pattern=CLAIM,
        description="The aud claim of access tokens when the caller names none.",
    )

    access_token_lifetime: Duration = Field(
        default=timedelta(minutes=60),
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
        description="How long an access token is good.",
    )

    service_token_lifetime: Duration = Field(
        default=timedelta(days=90),
        ge=timedelta(minutes=1),
        le=timedelta(days=400),
        description="The longest lifetime of a caller's service token.",
    )

    @property
    def effective_keys_dir(self) -> Path:
        """The key ring's directory, or development mode's."""
        return self.keys_dir or self.data_dir / "keys"

    @property
    def effective_callers_file(self) -> Path:
        """The callers file, or development mode's."""
        return self.callers_file or self.data_dir / "callers.toml"
