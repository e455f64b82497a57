"""Rows of JSON Lines: an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from sessionstore.cli.transfer.columns import Columns
from sessionstore.cli.transfer.lines import LONGEST, Line
from sessionstore.cli.transfer.rows import Row, Rows, Unreadable


def json_rows(lines: Iterable[Line], columns: Columns) -> Rows:
    """Every row; a blank line is none."""
    known: tuple[str, ...] = ()
    found: Mapping[str, str] = {}
    for line in lines:
        if not line.text.strip():
            continue
        try:
            values = _object(line)
            if known != (keys := tuple(values)):
                known, found = (), columns.find(keys)
                known = keys
        except ValueError as error:
            yield Unreadable(line.number, str(error))
            continue
        yield Row(
            line.number,
            {
                field: value
                for field, column in found.items()
                if (value := values[column]) is not None and value != ""
            },
        )


def _object(line: Line) -> dict[str, Any]:
    if line.cut:
        raise ValueError(f"is longer than {LONGEST:,} characters")
    try:
        # As decimals, times keep every digit.
        value = json.loads(line.text, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if not isinstance(value, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004  a bad line, not a bug
    return value


def _refuse(_: str) -> NoReturn:
    raise ValueError
