"""The rows of a CSV or JSON Lines file. A bad one is told of with its line, and does not end it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class FileFormat(StrEnum):
    """How a file holds its rows."""

    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Row:
    """The fields of one session, as the file has them; an empty one is left out."""

    line: int
    """Where it begins; the first line is 1."""
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that cannot be understood."""

    line: int
    """Where it begins."""
    reason: str


Rows = Iterator[Row | Unreadable]
