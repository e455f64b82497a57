"""Files of another system's sessions, and what is read of them."""

from __future__ import annotations

import io
from typing import Any

from sessionstore.cli.transfer.columns import Columns
from sessionstore.cli.transfer.reading import Entry, Readable, Reader
from sessionstore.cli.transfer.rows import Unreadable
from sessionstore.cli.transfer.times import Times

HEADER = "id,userId,userAgent,ipAddr,createdAt,expiresAt,revokedAt"
CREATED = "2026-01-31T12:00:00.123456Z"
EXPIRES = "2026-02-07T12:00:00Z"
ROW = f"old-1,alice,curl/8,10.1.2.3,{CREATED},{EXPIRES},"


def csv_of(*rows: str, header: str = HEADER, end: str = "\n") -> bytes:
    """A CSV file."""
    return "".join(line + end for line in (header, *rows)).encode()


def read(
    data: bytes, *maps: str, times: Times | None = None, from_line: int = 1, **options: Any
) -> list[Entry]:
    """Every entry of a file."""
    reader = Reader(columns=Columns(maps), times=times or Times(), **options)
    return list(reader.entries(io.BufferedReader(io.BytesIO(data)), from_line=from_line))


def ids(entries: list[Entry]) -> list[str]:
    """The ids of those that can be read, in the other system."""
    return [entry.session.external_id for entry in entries if isinstance(entry, Readable)]


def problems(entries: list[Entry]) -> list[tuple[int, str]]:
    """Line and reason of those that cannot."""
    return [(entry.line, entry.reason) for entry in entries if isinstance(entry, Unreadable)]
