"""JSON Lines files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sessionstore.cli.transfer.lines import LONGEST
from sessionstore.cli.transfer.reading import Readable
from sessionstore.cli.transfer.times import Epoch, Times
from tests.cli.transfer.files import CREATED, EXPIRES, ids, problems, read

OBJECT = {"id": "old-1", "userId": "alice", "createdAt": CREATED, "expiresAt": EXPIRES}


def jsonl_of(*objects: Any) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in objects).encode()


def test_an_object_becomes_a_session() -> None:
    """Null and an empty text are no value, and a number is an id in digits."""
    row = OBJECT | {"id": 7, "revokedAt": None, "userAgent": "", "ipAddr": "::1", "other": [1]}
    (entry,) = read(jsonl_of(row))
    assert isinstance(entry, Readable)
    assert entry.session.external_id == "7"
    assert entry.session.revoke_time is None
    assert entry.session.client
    assert entry.session.client.ip_address == "::1"


def test_keys_may_differ_from_line_to_line() -> None:
    """Each object is read by its own keys."""
    other = {"id": "old-2", "user_id": "bob", "created_at": CREATED, "expires_at": EXPIRES}
    assert ids(read(jsonl_of(OBJECT, other, OBJECT))) == ["old-1", "old-2", "old-1"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "is no JSON"),
        (b"[" * 5000, "is no JSON"),
        (b'{"id": NaN}', "is no JSON"),
        (b"[]", "is no JSON object"),
        (b"{}", "no column 'id' for external_id: name it with --map"),
        (jsonl_of(OBJECT | {"id": True}), "external_id is no text"),
        (jsonl_of(OBJECT | {"userAgent": {}}), "user_agent is no text"),
        (jsonl_of(OBJECT | {"userId": "\ud800"}), "user_id is no valid UTF-8"),
        (jsonl_of(OBJECT | {"createdAt": []}), "create_time is no time"),
        (
            jsonl_of(OBJECT | {"createdAt": 1}),
            "create_time is a number: say what it counts with --epoch",
        ),
        (jsonl_of(OBJECT | {"x": "x" * LONGEST}), f"is longer than {LONGEST:,} characters"),
    ],
)
def test_a_bad_line_is_told_and_the_next_one_is_read(line: bytes, reason: str) -> None:
    """One bad line costs itself only."""
    data = jsonl_of(OBJECT) + line.strip() + b"\n\n" + jsonl_of(OBJECT)
    entries = read(data)
    assert problems(entries) == [(2, reason)]
    assert ids(entries) == ["old-1", "old-1"]
    assert entries[-1].line == 4


def test_numbers_keep_every_digit() -> None:
    """A fraction of seconds is decimal, not binary."""
    data = b'{"id":"1","userId":"a","createdAt":1769860800.123457,"expiresAt":1769860801}\n'
    (entry,) = read(data, times=Times(epoch=Epoch.SECONDS))
    assert isinstance(entry, Readable)
    assert entry.session.create_time == datetime(2026, 1, 31, 12, 0, 0, 123457, tzinfo=UTC)


def test_an_array_is_refused_with_a_way_out() -> None:
    """A JSON array is not JSON Lines."""
    with pytest.raises(ValueError, match="jq -c"):
        read(b'[{"id": 1}]')
