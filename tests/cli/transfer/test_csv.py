"""CSV files, as databases and people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sessionstore import ClientInfo
from sessionstore.cli.transfer.lines import LONGEST
from sessionstore.cli.transfer.reading import Readable
from tests.cli.transfer.files import (
    CREATED,
    EXPIRES,
    HEADER,
    ROW,
    csv_of,
    ids,
    problems,
    read,
)


def test_a_row_of_the_old_table_becomes_a_session() -> None:
    """Every column lands in its field, and the creation keeps its microseconds."""
    (entry,) = read(csv_of(ROW))
    assert isinstance(entry, Readable)
    assert entry.line == 2
    session = entry.session
    assert (session.external_id, session.user_id) == ("old-1", "alice")
    assert session.client == ClientInfo(user_agent="curl/8", ip_address="10.1.2.3")
    assert session.create_time == datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert session.expire_time == datetime(2026, 2, 7, 12, tzinfo=UTC)
    assert session.revoke_time is None


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_any_end_of_lines_and_a_byte_order_mark_are_read(end: str, mark: bytes) -> None:
    """What other machines write is read, blank lines and a missing last end included."""
    data = mark + csv_of(ROW, "", ROW.replace("old-1", "old-2"), end=end)
    assert ids(read(data.removesuffix(end.encode()))) == ["old-1", "old-2"]


def test_a_quoted_value_may_hold_anything() -> None:
    """Delimiters, doubled quotes and line ends in a user agent are part of it; lines count on."""
    agent = '"a ""b"", c\nold-9,mallory,,,,,"'
    rows = csv_of(ROW.replace("curl/8", agent), ROW.replace("old-1", "old-2"), "short")
    entries = read(rows)
    assert isinstance(entries[0], Readable)
    assert entries[0].session.client
    assert entries[0].session.client.user_agent == 'a "b", c\nold-9,mallory,,,,,'
    assert ids(entries) == ["old-1", "old-2"]
    assert [entry.line for entry in entries] == [2, 4, 5]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("old-1,alice", "has 2 columns, the header 7"),
        (ROW + ",more", "has 8 columns, the header 7"),
        (ROW.replace("alice", '"al"ice'), "is no CSV: ',' expected after '\"'"),
        (ROW.replace("old-1", ""), "external_id is empty"),
        (ROW.replace("alice", ""), "user_id is empty"),
        (ROW.replace(CREATED, ""), "create_time is empty"),
        (ROW.replace(EXPIRES, "soon"), "expire_time 'soon' is no ISO 8601 time"),
        (ROW + "-", "revoke_time '-' is no ISO 8601 time"),
        (ROW.replace("curl/8", "x" * LONGEST), f"is longer than {LONGEST:,} characters"),
    ],
)
def test_a_bad_row_is_told_and_the_next_one_is_read(row: str, reason: str) -> None:
    """One bad line costs itself only."""
    entries = read(csv_of(row, ROW))
    assert problems(entries) == [(2, reason)]
    assert ids(entries) == ["old-1"]


def test_bytes_that_are_not_utf8_are_told() -> None:
    """A file in another encoding is not guessed at."""
    entries = read(csv_of(ROW.replace("curl", "café"), ROW).replace("é".encode(), b"\xe9"))
    assert problems(entries) == [(2, "user_agent is no valid UTF-8")]
    assert ids(entries) == ["old-1"]


def test_rows_inside_a_value_that_is_too_long_are_never_taken_for_rows() -> None:
    """A user agent cannot smuggle a session in by being longer than what is read."""
    smuggled = "\n".join([ROW.replace("alice", "mallory")] * (2 * LONGEST // len(ROW)))
    entries = read(csv_of(ROW.replace("curl/8", f'"{smuggled}"'), ROW))
    ((line, reason),) = problems(entries)
    assert line == 2
    assert reason.startswith(f"is longer than {LONGEST:,} characters, to line ")
    assert [e.session.user_id for e in entries if isinstance(e, Readable)] == ["alice"]


def test_a_quote_that_is_never_closed_is_told_with_its_line() -> None:
    """It says that the rest of the file was not read."""
    entries = read(csv_of(ROW, ROW.replace("curl/8", '"curl'), ROW, ROW))
    assert problems(entries) == [
        (3, "opens a quote that is never closed: nothing after it was read")
    ]
    assert ids(entries) == ["old-1"]


@pytest.mark.parametrize(
    "header", ["id,user_id,created_at,expires_at", "ID,USERID,createdat,EXPIRESAT"]
)
def test_column_names_match_in_any_style(header: str) -> None:
    """Snake case, camel case and upper case need no map."""
    assert ids(read(csv_of(f"old-1,alice,{CREATED},{EXPIRES}", header=header))) == ["old-1"]


def test_columns_of_other_names_are_mapped() -> None:
    """A mapped column is used in place of the usual one, and one may become an attribute."""
    header = "sid,uid,id,createdAt,expiresAt,plan"
    row = f"old-1,alice,7,{CREATED},{EXPIRES},gold"
    maps = ("external_id=sid", "user_id=uid", "attributes.plan=plan")
    (entry,) = read(csv_of(row, header=header), *maps)
    assert isinstance(entry, Readable)
    assert entry.session.external_id == "old-1"
    assert entry.session.attributes == {"plan": "gold"}


@pytest.mark.parametrize(
    ("header", "maps", "reason"),
    [
        ("id,createdAt,expiresAt", (), "no column 'userId' for user_id: name it with --map"),
        (HEADER, ("profile=kind",), "no column 'kind' for profile: name it with --map"),
        (f"{HEADER},user_id", (), "user_id has more than one column: userId, user_id"),
        ('id,"userId', (), "the header opens a quote"),
        (HEADER, ("user=uid",), "there is no field 'user'"),
        (HEADER, ("user_id",), "'user_id' is not FIELD=COLUMN"),
    ],
)
def test_a_file_without_the_needed_columns_is_refused_as_a_whole(
    header: str, maps: tuple[str, ...], reason: str
) -> None:
    """Nothing is read with a column too few, or one too many."""
    with pytest.raises(ValueError, match=reason):
        read(csv_of(ROW, header=header), *maps)


def test_utf16_is_refused_by_name() -> None:
    """What some spreadsheets save is told, not garbled."""
    with pytest.raises(ValueError, match="UTF-16"):
        read(csv_of(ROW).decode().encode("utf-16"))


def test_another_delimiter_is_read() -> None:
    """Spreadsheets in many languages write semicolons."""
    data = csv_of(ROW).replace(b",", b";")
    assert ids(read(data, delimiter=";")) == ["old-1"]


def test_an_empty_file_holds_nothing() -> None:
    """So does one of blank lines, and one of a header alone."""
    for data in (b"", b"\n\n", csv_of()):
        assert read(data) == []


def test_reading_starts_at_a_line() -> None:
    """The header is read all the same; a line inside a row means the next row."""
    rows = csv_of(ROW, ROW.replace("old-1", "old-2").replace("curl", '"a\nb"'), ROW)
    assert ids(read(rows.replace(b'"/8', b'"'), from_line=3)) == ["old-2", "old-1"]
    assert ids(read(rows.replace(b'"/8', b'"'), from_line=4)) == ["old-1"]
