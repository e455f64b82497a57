"""Reads the settings of one server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from sessiond.domain.errors import StartupError
from sessiond.settings.base import ENV_PREFIX, variable
from sessiond.settings.whole import Settings


def for_keys(keys_dir: Path) -> Settings:
    """Settings for a command that needs no more than keys and their lifetimes."""
    return load(dev=True, listen=Settings.model_fields["listen"].default, keys_dir=keys_dir)


def load(**overrides: Any) -> Settings:
    """The settings of the environment, with overrides from the command line.

    Raises:
        StartupError: a setting is wrong; the message names each by its environment variable.
    """
    unknown = [
        name
        for name in os.environ
        if name.startswith(ENV_PREFIX)
        and name.removeprefix(ENV_PREFIX).lower() not in Settings.model_fields
    ]
    if unknown:
        raise StartupError(f"no such setting: {', '.join(sorted(unknown))}")
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})
    except SettingsError:
        # Of all settings only this one is read as JSON.
        raise StartupError(f"{variable('profiles')}: is not JSON") from None
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False):
            where = ".".join(str(part) for part in problem["loc"])
            name = f"{variable(where)}: " if where else ""
            lines.append(name + problem["msg"].removeprefix("Value error, "))
        raise StartupError("; ".join(lines)) from None
