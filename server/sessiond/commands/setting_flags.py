"""Every setting as a flag."""

from __future__ import annotations

import argparse
import json
from collections.abc import Container, Iterable
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from sessiond.domain.errors import StartupError
from sessiond.settings import GROUPS, Loaded, Settings, flag, load_with_origins
from sessiond.settings.writing import word

_DESTINATION: Final = "setting:"
_BY_ENDING: Final = {"_url": "URL", "listen": "ADDRESS", "_schedule": "CRON"}
_BY_TYPE: Final = {int: "N", float: "NUMBER", timedelta: "DURATION", Path: "PATH"}
_TABLES_AND_LISTS: Final = (dict, list, tuple, set, frozenset)


def add_settings(
    parser: argparse.ArgumentParser, shown: Container[str] = Settings.model_fields
) -> None:
    """Take `--config` and a flag for every setting; help shows those named."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file of settings; the environment and flags go before it",
    )
    for group in GROUPS:
        visible = [name for name in group.settings if name in shown]
        section = parser.add_argument_group(group.name, group.meaning) if visible else parser
        for name in group.settings:
            _add(section, name, Settings.model_fields[name], hidden=name not in shown)


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line names.

    Raises:
        StartupError: one that is a table or a list is not JSON.
    """
    found = {
        key.removeprefix(_DESTINATION): value
        for key, value in vars(arguments).items()
        if key.startswith(_DESTINATION)
    }
    for name, value in found.items():
        if _is_table_or_list(Settings.model_fields[name].annotation):
            try:
                found[name] = json.loads(value)
            except ValueError:
                raise StartupError(f"{flag(name)}: is not JSON") from None
    return found


def loaded(arguments: argparse.Namespace) -> Loaded:
    """The settings of the command line, the environment and the file.

    Raises:
        StartupError: they cannot be used.
    """
    return load_with_origins(arguments.config, **given(arguments))


def _add(section: argparse._ActionsContainer, name: str, field: FieldInfo, *, hidden: bool) -> None:
    options: dict[str, Any] = {
        "dest": _DESTINATION + name,
        "default": argparse.SUPPRESS,
        "help": argparse.SUPPRESS if hidden else _help(field),
    }
    if bool in _alternatives(field.annotation):
        section.add_argument(flag(name), action=argparse.BooleanOptionalAction, **options)
    else:
        section.add_argument(flag(name), metavar=_metavar(name, field), **options)


def _help(field: FieldInfo) -> str:
    default = field.default
    shown = default is not None and not isinstance(default, bool) and not field.default_factory
    text = f"{field.description} [{word(default)}]" if shown else f"{field.description}"
    return text.replace("%", "%%")


def _metavar(name: str, field: FieldInfo) -> str:
    kinds = _alternatives(field.annotation)
    choices = _choices(kinds)
    if choices:
        return "|".join(choices)
    if _is_table_or_list(field.annotation):
        return "JSON"
    by_type = (_BY_TYPE[kind] for kind in kinds if kind in _BY_TYPE)
    by_ending = (shown for ending, shown in _BY_ENDING.items() if name.endswith(ending))
    return next(by_type, None) or next(by_ending, "TEXT")


def _choices(kinds: Iterable[Any]) -> list[str]:
    """The words that a setting can be, if it is one of a few."""
    found: list[str] = []
    for kind in kinds:
        if get_origin(kind) is Literal:
            found += [str(choice) for choice in get_args(kind)]
        elif isinstance(kind, type) and issubclass(kind, Enum):
            found += [str(choice.value) for choice in kind]
    return found


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """What an annotation allows, but for None."""
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for kind in get_args(annotation) if kind is not type(None))
    return (annotation,)


def _is_table_or_list(annotation: Any) -> bool:
    return any(get_origin(kind) in _TABLES_AND_LISTS for kind in _alternatives(annotation))
