"""Sessions as rows of a file: the old table's columns, or all that is known."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final

from sessionstore.cli.transfer.rows import FileFormat
from sessionstore.types import Session, State

Column = Callable[[Session], Any]


def _time(value: datetime | None) -> str | None:
    """RFC 3339 with all six digits: the old table finds its rows by them."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _revoked(session: Session) -> str | None:
    """An expired session was never revoked; its expiry tells."""
    return _time(session.end_time) if session.state == State.ENDED else None


TABLE: Final[Mapping[str, Column]] = {
    "id": lambda session: session.id,
    "userId": lambda session: session.user_id,
    "userAgent": lambda session: session.client.user_agent,
    "ipAddr": lambda session: session.client.ip_address,
    "createdAt": lambda session: _time(session.create_time),
    "expiresAt": lambda session: _time(session.expire_time),
    "revokedAt": _revoked,
}
ALL: Final[Mapping[str, Column]] = {
    **TABLE,
    "state": lambda session: str(session.state),
    "endReason": lambda session: session.end_reason and str(session.end_reason),
    "endedAt": lambda session: _time(session.end_time),
    "endedBy": lambda session: session.ended_by,
    "profile": lambda session: session.profile,
    "deviceId": lambda session: session.client.device_id,
    "deviceName": lambda session: session.client.device_name,
    "fingerprint": lambda session: session.client.fingerprint,
    "attributes": lambda session: dict(session.attributes),
    "absoluteExpiresAt": lambda session: _time(session.absolute_expire_time),
    "refreshedAt": lambda session: _time(session.refresh_time),
    "lastSeenAt": lambda session: _time(session.last_seen_time),
}


class Rows:
    """Writes sessions in one format, with these columns."""

    def __init__(self, form: FileFormat, columns: Mapping[str, Column]) -> None:
        self._form = form
        self._columns = columns

    def header(self) -> str:
        """What comes ahead of the first row."""
        return self._csv([list(self._columns)]) if self._form is FileFormat.CSV else ""

    def text(self, sessions: Iterable[Session]) -> str:
        """Their rows."""
        rows = [[column(session) for column in self._columns.values()] for session in sessions]
        if self._form is FileFormat.CSV:
            return self._csv(rows)
        objects = (dict(zip(self._columns, row, strict=True)) for row in rows)
        return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects)

    @staticmethod
    def _csv(rows: Iterable[Iterable[Any]]) -> str:
        text = StringIO()
        # As in RFC 4180; with another end of lines, a carriage return would not be quoted.
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerows(map(_cell, row) for row in rows)
        return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    # PostgreSQL holds no NUL.
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
