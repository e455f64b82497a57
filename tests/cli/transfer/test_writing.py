"""Files that an export writes."""

from __future__ import annotations

import csv
import io
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sessionstore import ClientInfo, EndReason, Session, State
from sessionstore.cli.transfer.rows import FileFormat
from sessionstore.cli.transfer.target import open_target
from sessionstore.cli.transfer.writing import ALL, TABLE, Rows

CREATED = datetime(2026, 1, 31, 12, 0, 0, 120, tzinfo=UTC)
SESSION = Session(
    id="s" * 24,
    user_id="alice",
    profile="web",
    state=State.ACTIVE,
    end_reason=None,
    client=ClientInfo(user_agent='a "b",\r c', ip_address="10.1.2.3", device_id="d"),
    attributes={"plan": "gold"},
    authentication=None,
    audience=(),
    create_time=CREATED,
    expire_time=CREATED + timedelta(days=7),
    absolute_expire_time=CREATED + timedelta(days=90),
    refresh_time=CREATED,
    last_seen_time=CREATED,
    end_time=None,
    ended_by="",
    etag="1",
)
ENDED = replace(
    SESSION,
    state=State.ENDED,
    end_reason=EndReason.LOGOUT,
    end_time=CREATED + timedelta(hours=1),
)
EXPIRED = replace(ENDED, state=State.EXPIRED, end_reason=EndReason.IDLE)


def table(rows: Rows, *sessions: Session) -> list[dict[str, str]]:
    """What a reader of CSV finds."""
    text = rows.header() + rows.text(sessions)
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_the_columns_of_the_old_table() -> None:
    """Times keep all six digits, by which the old table finds its rows."""
    (row,) = table(Rows(FileFormat.CSV, TABLE), SESSION)
    assert row == {
        "id": "s" * 24,
        "userId": "alice",
        "userAgent": 'a "b",\r c',
        "ipAddr": "10.1.2.3",
        "createdAt": "2026-01-31T12:00:00.000120Z",
        "expiresAt": "2026-02-07T12:00:00.000120Z",
        "revokedAt": "",
    }


def test_only_a_session_that_was_ended_is_revoked() -> None:
    """An expired one has its expiry, and nobody revoked it."""
    rows = table(Rows(FileFormat.CSV, TABLE), SESSION, ENDED, EXPIRED)
    assert [row["revokedAt"] for row in rows] == ["", "2026-01-31T13:00:00.000120Z", ""]


def test_a_nul_becomes_something_that_a_database_takes() -> None:
    """One client cannot stop a rollback."""
    client = ClientInfo(user_agent="a\0b")
    (row,) = table(Rows(FileFormat.CSV, TABLE), replace(SESSION, client=client))
    assert row["userAgent"] == "a\ufffdb"


def test_all_columns_come_on_request() -> None:
    """In CSV attributes are JSON, in JSON Lines an object."""
    (row,) = table(Rows(FileFormat.CSV, ALL), ENDED)
    (line,) = Rows(FileFormat.JSONL, ALL).text([ENDED]).splitlines()
    assert json.loads(row["attributes"]) == json.loads(line)["attributes"] == {"plan": "gold"}
    assert row["endReason"] == json.loads(line)["endReason"] == "LOGOUT"
    assert list(row) == list(json.loads(line)) == list(ALL)
    assert Rows(FileFormat.JSONL, ALL).header() == ""


def test_a_file_has_its_name_once_it_is_complete(tmp_path: Path) -> None:
    """Until then the file that was there before stays; it is for its owner only."""
    path = tmp_path / "back.csv"
    path.write_text("before")
    target = open_target(str(path))
    target.write("a\n")
    target.keep()
    assert path.read_text() == "before"

    target = open_target(str(path), resumed=True)
    target.write("b\n")
    target.complete()
    assert path.read_text() == "a\nb\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_there_must_be_something_to_go_on_with(tmp_path: Path) -> None:
    """A token alone, without the part that it continues, would lose that part."""
    with pytest.raises(FileNotFoundError):
        open_target(str(tmp_path / "back.csv"), resumed=True)
