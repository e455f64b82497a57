"""Rows of CSV (RFC 4180, and PostgreSQL's COPY): a header first, then a record a row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sessionstore.cli.transfer.columns import Columns
from sessionstore.cli.transfer.lines import LONGEST, Line
from sessionstore.cli.transfer.rows import Row, Rows, Unreadable

csv.field_size_limit(LONGEST)


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    text: str
    problem: str = ""


def csv_rows(lines: Iterable[Line], columns: Columns, delimiter: str) -> Rows:
    """Every row below the header; a line with nothing in it is none.

    Raises:
        ValueError: no usable header. Raised by the call itself, ahead of any row.
    """
    records = _records(lines)
    header = next(records, None)
    if header is None:
        return iter(())
    if header.problem:
        raise ValueError(f"the header {header.problem}")
    names = _split(header.text, delimiter)
    found = columns.find(names)
    places = [(field, names.index(column)) for field, column in found.items()]
    return (_row(record, places, len(names), delimiter) for record in records)


def _row(
    record: _Record, places: list[tuple[str, int]], width: int, delimiter: str
) -> Row | Unreadable:
    if record.problem:
        return Unreadable(record.line, record.problem)
    try:
        values = _split(record.text, delimiter)
    except csv.Error as error:
        return Unreadable(record.line, f"is no CSV: {error}")
    if len(values) != width:
        return Unreadable(record.line, f"has {len(values)} columns, the header {width}")
    return Row(record.line, {field: values[at] for field, at in places if values[at]})


def _split(text: str, delimiter: str) -> list[str]:
    return next(csv.reader((text,), delimiter=delimiter, strict=True))


def _records(lines: Iterable[Line]) -> Iterator[_Record]:
    """Lines, joined where a quoted value goes on in the next one.

    A quote opens or closes wherever it stands, as PostgreSQL reads it. What is too long is left out
    up to where its quotes close: what a user agent holds is never taken for a row.
    """
    parts: list[str] = []
    begun, length, open_quote, too_long = 0, 0, False, False
    for line in lines:
        if not open_quote:
            if not line.text:
                continue
            begun, parts, length, too_long = line.number, [], 0, False
        open_quote ^= line.quotes % 2 == 1
        length += len(line.text) + len(line.end)
        too_long = too_long or line.cut or length > LONGEST
        if not too_long:
            parts += (line.text, line.end)
        if open_quote:
            continue
        if too_long:
            yield _Record(begun, "", f"is longer than {LONGEST:,} characters{_to(begun, line)}")
        else:
            yield _Record(begun, "".join(parts[:-1]))
    if open_quote:
        yield _Record(begun, "", "opens a quote that is never closed: nothing after it was read")


def _to(begun: int, line: Line) -> str:
    return f", to line {line.number}" if line.number > begun else ""
