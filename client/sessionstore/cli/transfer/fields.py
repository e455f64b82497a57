"""The fields of one row, as the types that a session has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sessionstore.cli.transfer.columns import ATTRIBUTE
from sessionstore.cli.transfer.times import Times


@dataclass(frozen=True, slots=True)
class Fields:
    """What a row has. Every method raises ValueError with the field's name if it is no good."""

    values: Mapping[str, Any]
    times: Times

    def text(self, name: str) -> str:
        """Empty if it is not there. A whole number is one in digits."""
        value = self.values.get(name, "")
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise ValueError(f"{name} is no text")  # noqa: TRY004  a bad line, not a bug
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError(f"{name} is no valid UTF-8") from None
        return value

    def needed(self, name: str) -> str:
        """It must be there."""
        if value := self.text(name):
            return value
        raise ValueError(f"{name} is empty")

    def time(self, name: str) -> datetime | None:
        """None if it is not there."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            return self.times.read(value)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None

    def needed_time(self, name: str) -> datetime:
        """It must be there."""
        if value := self.time(name):
            return value
        raise ValueError(f"{name} is empty")

    def attributes(self) -> dict[str, str]:
        """Those fields that become attributes."""
        names = [name for name in self.values if name.startswith(ATTRIBUTE)]
        return {name.removeprefix(ATTRIBUTE): self.text(name) for name in names}
