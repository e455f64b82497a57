"""The audit log: who did what as an admin, to how many, and how it ended."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from sessiond.domain.errors import Reason, StartupError
from sessiond.ops.audit_file import AuditFile
from sessionstore.v1 import session_pb2
from tests.rpc.calls import refused
from tests.rpc.conftest import ServeWith
from tests.rpc.logs import Log, captured
from tests.rpc.serving import eventually

BY_ADMIN = session_pb2.END_REASON_REVOKED_BY_ADMIN


def _acts(log: Log) -> list[dict[str, Any]]:
    return [entry for entry in log.entries if entry["event"] == "admin_act"]


def _kept(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_what_an_admin_revokes_is_an_act(serve_with: ServeWith) -> None:
    """With caller, user, reason and count; a session's id is not shown, but can be followed."""
    with captured() as log:
        api = serve_with().api()
        session_id = api.create("alice").session.session_id
        api.create("bob")
        api.create("bob")
        api.revoke(session_id=session_id, reason=BY_ADMIN)
        api.revoke_user("bob", reason=BY_ADMIN)
        eventually(lambda: len(_acts(log)) == 2)
    one, many = _acts(log)
    assert (one["caller"], one["method"], one["code"]) == ("admin", "RevokeSession", "OK")
    assert one["end_reason"] == "REVOKED_BY_ADMIN"
    (created, *_) = [entry for entry in log.entries if entry.get("method") == "CreateSession"]
    assert one["session"] == created["session"]
    assert session_id not in log.getvalue()
    assert (many["method"], many["user_id"], many["ended_sessions"]) == (
        "RevokeUserSessions",
        "bob",
        2,
    )


def test_what_others_revoke_is_no_act(serve_with: ServeWith) -> None:
    """Unless they ask for it in an admin's name: then it is one, and refused."""
    with captured() as log:
        writer = serve_with().api("writer")
        writer.revoke(session_id=writer.create("alice").session.session_id)
        writer.revoke_user("alice")
        assert not _acts(log)
        error = refused(writer.revoke_user, "alice", reason=BY_ADMIN)
        eventually(lambda: _acts(log))
    (act,) = _acts(log)
    assert (act["caller"], act["code"]) == ("writer", "PERMISSION_DENIED")
    assert (act["reason"], act["request_id"]) == (Reason.ROLE_REQUIRED, error.request_id)


def test_acts_are_kept_in_a_file(serve_with: ServeWith, tmp_path: Path) -> None:
    """Its owner's alone, also where the log says less; a moved file is followed by another."""
    file = tmp_path / "audit.jsonl"
    with captured(level="error") as log:
        api = serve_with(audit_log_file=file).api()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        api.revoke_user("eve\n{}", reason=BY_ADMIN)
        eventually(lambda: _kept(file))
        file.rename(tmp_path / "audit.1")
        api.revoke_user("bob", reason=BY_ADMIN)
        eventually(lambda: file.exists() and _kept(file))
    assert not log.entries
    (first,), (second,) = _kept(tmp_path / "audit.1"), _kept(file)
    assert (first["user_id"], second["user_id"]) == ("eve\n{}", "bob")
    assert first["time"] < second["time"]
    assert first["time"].endswith("Z")


def test_a_file_that_cannot_be_written_stops_nobody(serve_with: ServeWith, tmp_path: Path) -> None:
    """The act is done, and in the log; so is the trouble."""
    directory = tmp_path / "audit"
    directory.mkdir()
    with captured() as log:
        api = serve_with(audit_log_file=directory / "log").api()
        (directory / "log").unlink()
        directory.rmdir()
        api.revoke_user("alice", reason=BY_ADMIN)
        eventually(lambda: [e for e in log.entries if e["event"] == "audit_log_failed"])
    assert len(_acts(log)) == 1


def test_a_line_that_a_full_disk_cut_spoils_no_other(tmp_path: Path) -> None:
    """The next one begins on a line of its own."""
    file = tmp_path / "audit.jsonl"
    kept = AuditFile(file)
    kept.append({"act": 1})
    with file.open("a") as stream:
        stream.write('{"act": 2, "us')
    kept.append({"act": 3})
    first, _, last = file.read_text().splitlines()
    assert [json.loads(line)["act"] for line in (first, last)] == [1, 3]


def test_a_file_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    """With the setting to change."""
    with pytest.raises(StartupError, match="SESSIOND_AUDIT_LOG_FILE"):
        AuditFile(tmp_path / "missing" / "log")
