"""What the server does by itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from sessiond.settings.base import CommonSettings
from sessiond.settings.kinds import Cron, Duration


class JobSettings(CommonSettings):
    """The reaper, the jobs, and the user directory that one of them asks."""

    reaper_interval: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(0),
        description="How often expired sessions are looked for; 0 turns the reaper off.",
    )

    reaper_batch: int = Field(
        default=100, ge=1, le=1000, description="Users that the reaper visits at a time."
    )

    stats_schedule: Cron = Field(
        default="0 * * * *",
        description="When the stats job is due: cron in UTC; if empty, on request only.",
    )

    stats_warn_live: int = Field(
        default=1000, ge=0, description="The stats job warns above so many live sessions."
    )

    orphans_schedule: Cron = Field(
        default="0 3 * * 0",
        description="When the orphans job is due: cron in UTC; if empty, on request only.",
    )

    job_jitter: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="A job begins up to this long after it is due.",
    )

    job_timeout: Duration = Field(
        default=timedelta(minutes=30),
        ge=timedelta(seconds=1),
        description="The longest a run of a job may take.",
    )

    user_directory: str | None = Field(
        default=None,
        min_length=1,
        description="Address of a UserDirectory service, which tells the orphans job what users no"
        " longer exist. It is called over TLS, unless it is on loopback.",
    )

    user_directory_ca_file: Path | None = Field(
        default=None,
        description="PEM certificates that the user directory is verified against; by default the"
        " system's.",
    )

    user_directory_plaintext: bool = Field(
        default=False,
        description="Call the user directory without TLS, through a proxy or mesh that encrypts.",
    )

    user_directory_token_file: Path | None = Field(
        default=None, description="File of a bearer token that the user directory is called with."
    )

    user_directory_max_missing: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="If the user directory misses more than this share of the users with live"
        " sessions, no session is ended.",
    )

    @model_validator(mode="after")
    def _check_user_directory(self) -> Self:
        if self.user_directory_ca_file and self.user_directory_plaintext:
            raise ValueError(
                "SESSIOND_USER_DIRECTORY_CA_FILE and SESSIOND_USER_DIRECTORY_PLAINTEXT exclude each"
                " other"
            )
        return self
