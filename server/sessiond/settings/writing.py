"""How values of settings are written: in a variable or flag, and in a file."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from pydantic import BaseModel

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def duration(value: timedelta) -> str:
    """A duration in the largest unit of which it is a multiple, as in `7d`."""
    milliseconds = value / timedelta(milliseconds=1)
    for unit, size in _UNITS:
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds / size:.0f}{unit}"
    return f"{milliseconds:.15g}ms" if milliseconds else "0s"


def word(value: Any) -> str:
    """A value as one writes it in a variable or after a flag."""
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def toml(value: Any) -> str:
    """A value as one writes it in a TOML file, on one line."""
    plain = _plain(value)
    if isinstance(plain, dict):
        pairs = (f"{_key(name)} = {toml(each)}" for name, each in plain.items())
        return f"{{ {', '.join(pairs)} }}" if plain else "{}"
    if isinstance(plain, list):
        return f"[{', '.join(toml(each) for each in plain)}]"
    # A JSON string is a TOML string but for DEL, which TOML wants escaped.
    return json.dumps(plain).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name)


def _plain(value: Any) -> Any:
    """The value in nothing but strings, numbers, booleans, lists and tables."""
    if isinstance(value, BaseModel):
        value = {name: each for name, each in value if each is not None}
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, Enum):
        value = value.value
    return value if isinstance(value, (bool, int, float, str)) else str(value)
