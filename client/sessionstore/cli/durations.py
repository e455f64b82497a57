"""Durations and times as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sessionstore.cli.exits import ExitCode, Failure

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+|0")
_PART = re.compile(r"([\d.]+)([dhms])")


def parse_duration(text: str) -> timedelta:
    """A duration such as 30d, 12h, 1h30m or 0.

    Raises:
        Failure: it is none, or longer than can be counted.
    """
    if not _DURATION.fullmatch(text):
        raise Failure(f"{text!r} is no duration: write 30d, 12h, 10m, 5s or 0", ExitCode.USAGE)
    try:
        return timedelta(
            seconds=sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
        )
    except OverflowError:
        raise Failure(f"{text!r} is too long", ExitCode.USAGE) from None


def parse_time(text: str) -> datetime:
    """A time of RFC 3339, such as 2026-01-31T12:00:00Z.

    Raises:
        Failure: it is none, or has no offset.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise Failure(f"{text!r} is no time: write 2026-01-31T12:00:00Z", ExitCode.USAGE)
    return time


def rfc3339(time: datetime) -> str:
    """A time in UTC, as exact as it is."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def short(duration: timedelta) -> str:
    """A duration in its largest unit, such as 3h or 45s."""
    seconds = duration.total_seconds()
    for unit, size in _UNITS.items():
        if abs(seconds) >= size:
            return f"{int(seconds / size)}{unit}"
    return f"{seconds:.1g}s" if seconds else "0s"


def ago(time: datetime | None) -> str:
    """How long ago a time is, or until then; empty if there is none."""
    if time is None:
        return ""
    passed = datetime.now(UTC) - time
    if passed < timedelta(0):
        return f"in {short(-passed)}"
    return f"{short(passed)} ago" if passed >= timedelta(seconds=1) else "now"


def when(time: datetime | None) -> str:
    """A time to the second, and how long ago that is; empty if there is none."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {ago(time)}" if time else ""
