"""Reads the settings of one server: flags go before the environment, and that before a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from sessiond.domain.errors import StartupError
from sessiond.settings import file
from sessiond.settings.base import ENV_PREFIX, flag, variable
from sessiond.settings.whole import Settings

CONFIG_FILE: Final = variable("config_file")
"""The variable that names the file, if there is one."""
ENVIRONMENT: Final = "environment"
DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each comes from."""

    settings: Settings
    origins: Mapping[str, str]
    """Of each setting: its flag, `environment`, the path of the file, or `default`."""


def for_keys(config_file: Path | None = None, /, **flags: Any) -> Settings:
    """Settings for a command that needs no more than keys and their lifetimes."""
    anywhere = {"dev": True, "listen": Settings.model_fields["listen"].default}
    return load(config_file, **(flags | anywhere))


def load(config_file: Path | None = None, /, **flags: Any) -> Settings:
    """The settings of the command line, the environment and a file; see `load_with_origins`."""
    return load_with_origins(config_file, **flags).settings


def load_with_origins(config_file: Path | None = None, /, **flags: Any) -> Loaded:
    """The settings of the command line, the environment and a file.

    Args:
        config_file: a TOML file; by default the one that SESSIOND_CONFIG_FILE names, if any.
        flags: settings of the command line; None is as if it were not there.

    Raises:
        StartupError: a setting is wrong; the message names each by its environment variable, and
            where it was set if not there. Or the file cannot be read.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    in_environment = _names_in_environment()
    path = config_file or _named_file()
    in_file = _read(path) if path else {}
    origins = {
        **dict.fromkeys(Settings.model_fields, DEFAULT),
        **dict.fromkeys(in_file, str(path)),
        **dict.fromkeys(in_environment, ENVIRONMENT),
        **{name: flag(name) for name in given},
    }
    # What is handed over goes before the environment, which pydantic reads by itself.
    below = {name: value for name, value in in_file.items() if name not in in_environment}
    try:
        return Loaded(Settings(**(below | given)), origins)
    except SettingsError as error:
        found = re.search(r'field "(\w+)"', str(error))
        name = variable(found[1]) if found else "a setting"
        raise StartupError(f"{name}: is not JSON") from None
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise StartupError("; ".join(_sentence(each, origins) for each in problems)) from None


def _names_in_environment() -> set[str]:
    """The settings that the environment names.

    Raises:
        StartupError: it names one that there is not.
    """
    variables = {
        name: name[len(ENV_PREFIX) :].lower()
        for name in os.environ
        if name.upper().startswith(ENV_PREFIX) and name.upper() != CONFIG_FILE
    }
    unknown = [name for name, setting in variables.items() if setting not in Settings.model_fields]
    if unknown:
        known = (*map(variable, Settings.model_fields), CONFIG_FILE)
        raise StartupError(f"no such setting: {_with_suggestions(unknown, known)}")
    return set(variables.values())


def _named_file() -> Path | None:
    path = os.environ.get(CONFIG_FILE)
    return Path(path) if path else None


def _read(path: Path) -> dict[str, Any]:
    values = file.read(path)
    unknown = values.keys() - Settings.model_fields.keys()
    if unknown:
        names = _with_suggestions(unknown, Settings.model_fields)
        raise StartupError(f"{path}: no such setting: {names}")
    return values


def _with_suggestions(unknown: Iterable[str], known: Iterable[str]) -> str:
    """The names, each with the one that was perhaps meant."""
    choices = list(known)
    named = []
    for name in sorted(unknown):
        close = get_close_matches(name, choices, n=1, cutoff=0.8)
        named.append(f"{name} (perhaps {close[0]})" if close else name)
    return ", ".join(named)


def _sentence(problem: ErrorDetails, origins: Mapping[str, str]) -> str:
    """What is wrong with which setting."""
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name, *inner = (str(part) for part in problem["loc"])
    origin = origins.get(name, ENVIRONMENT)
    source = "" if origin == ENVIRONMENT else f" ({origin})"
    place = f" {'.'.join(inner)}:" if inner else ""
    return f"{variable(name)}{source}:{place} {message}"
