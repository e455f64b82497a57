"""Times as other systems write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


class Epoch(StrEnum):
    """What numbers count since 1970."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"


_MICROSECONDS = {Epoch.SECONDS: 1_000_000, Epoch.MILLISECONDS: 1_000}


@dataclass(frozen=True, slots=True)
class Times:
    """How a file's times are to be read: by themselves they say neither a zone nor a unit."""

    zone: tzinfo | None = None
    """Of times without one, which are refused if this is None."""
    epoch: Epoch | None = None
    """Of numbers, which are refused if this is None."""

    def read(self, value: object) -> datetime:
        """An aware UTC time, to the microsecond, from ISO 8601 or a number.

        Raises:
            ValueError: it is no time, or says too little.
        """
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return self._counted(Decimal(value))
        if not isinstance(value, str):
            raise ValueError("is no time")  # noqa: TRY004  a bad line, not a bug
        if _NUMBER.fullmatch(value):
            return self._counted(Decimal(value))
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value[:40]!r} is no ISO 8601 time") from None
        if time.tzinfo is None:
            if self.zone is None:
                raise ValueError(f"{value!r} has no time zone: say which with --timezone")
            time = time.replace(tzinfo=self.zone)
        try:
            return time.astimezone(UTC)
        except OverflowError:
            raise ValueError(f"{value!r} is out of range") from None

    def _counted(self, number: Decimal) -> datetime:
        if self.epoch is None:
            raise ValueError("is a number: say what it counts with --epoch")
        try:
            return _BEGIN + timedelta(microseconds=int(number * _MICROSECONDS[self.epoch]))
        except (ArithmeticError, ValueError):
            raise ValueError("is out of range") from None
