"""What kinds of value settings have, and how they are read."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator

from sessiond.domain.schedule import Schedule

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: Any) -> Any:
    """A duration from text, as in `7d`; anything else is left to pydantic."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", value)
        if not match:
            raise ValueError("a duration is a number and a unit, such as 30s, 10m, 12h or 7d")
        try:
            return timedelta(seconds=float(match[1]) * _UNITS[match[2] or "s"])
        except OverflowError:
            raise ValueError("is longer than any duration may be") from None
    return value


def milliseconds(duration: timedelta) -> int:
    """A duration in whole milliseconds."""
    return duration // timedelta(milliseconds=1)


def _check_not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("a duration is not negative")
    return value


def _check_cron(value: str) -> str:
    if value:
        Schedule(value)
    return value


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), AfterValidator(_check_not_negative)
]
Cron = Annotated[str, AfterValidator(_check_cron)]
CLAIM: Final = r"^[\x21\x23-\x5b\x5d-\x7e]+$"
"""Visible ASCII without quotes and backslashes: with escapes, access tokens would get too long."""
