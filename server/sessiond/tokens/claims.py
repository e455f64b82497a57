"""Reading the claims of a token whose signature was good: wrong types refuse the token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

Claims: TypeAlias = Mapping[str, object]

MAX_TIME_S: Final = 253_402_300_799
"""The last second of the year 9999, where protobuf timestamps end."""


def text(claims: Claims, name: str) -> str:
    """A string that is not empty.

    Raises:
        ValueError: missing or anything else, such as one that UTF-8 cannot hold.
    """
    return _text(claims.get(name), name)


def texts(claims: Claims, name: str) -> tuple[str, ...]:
    """A list of strings, itself not empty.

    Raises:
        ValueError: missing or anything else.
    """
    value = claims.get(name)
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name} is a list")
    return tuple(_text(item, name) for item in value)


def whole(claims: Claims, name: str) -> int:
    """A NumericDate (RFC 7519 2) in whole seconds, as we mint them.

    Raises:
        ValueError: missing, fractional, a boolean, negative or beyond the year 9999.
    """
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_TIME_S:
        raise ValueError(f"{name} is a time in whole seconds")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is a string")
    value.encode()
    return value
