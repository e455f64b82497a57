"""A file of another system's sessions: from its bytes to what the SDK sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader

from sessionstore.admin_types import ImportedSession
from sessionstore.cli.transfer.columns import Columns
from sessionstore.cli.transfer.csv_rows import csv_rows
from sessionstore.cli.transfer.fields import Fields
from sessionstore.cli.transfer.json_rows import json_rows
from sessionstore.cli.transfer.lines import Lines
from sessionstore.cli.transfer.rows import FileFormat, Row, Rows, Unreadable
from sessionstore.cli.transfer.times import Times
from sessionstore.types import ClientInfo


@dataclass(frozen=True, slots=True)
class Readable:
    """A session of the file."""

    line: int
    session: ImportedSession


Entry = Readable | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How a file is to be read."""

    columns: Columns
    times: Times
    form: FileFormat | None = None
    """Told by the first character if None."""
    delimiter: str = ","
    profile: str = ""
    """Of sessions without one of their own."""

    def entries(self, stream: BufferedReader, *, from_line: int = 1) -> Iterator[Entry]:
        """Every session that begins in this line or later, in order.

        Raises:
            ValueError: the file as a whole cannot be read. Raised by the call itself.
        """
        rows = self._rows(Lines(stream))
        return (self._entry(row) for row in rows if row.line >= from_line)

    def _rows(self, lines: Lines) -> Rows:
        first = lines.first()
        start = first.text.lstrip()[:1] if first else ""
        if start == "[" and self.form is None:
            raise ValueError("JSON Lines has an object a line, not one array: try jq -c '.[]'")
        form = self.form or (FileFormat.JSONL if start == "{" else FileFormat.CSV)
        if form is FileFormat.JSONL:
            return json_rows(lines, self.columns)
        return csv_rows(lines, self.columns, self.delimiter)

    def _entry(self, row: Row | Unreadable) -> Entry:
        if isinstance(row, Unreadable):
            return row
        fields = Fields(row.fields, self.times)
        try:
            return Readable(row.line, self._session(fields))
        except ValueError as error:
            return Unreadable(row.line, str(error))

    def _session(self, fields: Fields) -> ImportedSession:
        return ImportedSession(
            external_id=fields.needed("external_id"),
            user_id=fields.needed("user_id"),
            create_time=fields.needed_time("create_time"),
            expire_time=fields.needed_time("expire_time"),
            revoke_time=fields.time("revoke_time"),
            profile=fields.text("profile") or self.profile,
            client=ClientInfo(
                user_agent=fields.text("user_agent"),
                ip_address=fields.text("ip_address"),
                device_id=fields.text("device_id"),
                device_name=fields.text("device_name"),
                fingerprint=fields.text("fingerprint"),
            ),
            attributes=fields.attributes(),
        )
