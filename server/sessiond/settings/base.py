"""What every group of settings builds on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_PREFIX: Final = "SESSIOND_"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + name.upper()


def flag(name: str) -> str:
    """The flag of a setting on the command line."""
    return "--" + name.replace("_", "-")


class CommonSettings(BaseSettings):
    """Development mode, and its place."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)

    dev: bool = Field(
        default=False,
        description="Development mode: loopback only, keys and callers made on first start,"
        " embedded engine, reflection.",
    )

    data_dir: Path = Field(
        default=Path(".sessiond"),
        description="Where development mode keeps its keys, callers, token and embedded engine.",
    )
