"""What the audit log has of each RPC of AdminService."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from sessiond.domain.errors import Reason
from tests.rpc.admin_calls import AdminApi
from tests.rpc.calls import ADMIN_RPCS, Calls, refused, request_type
from tests.rpc.conftest import ServeWith
from tests.rpc.importing import bring_in, old_session, populate
from tests.rpc.serving import Server, eventually

ACTS: list[tuple[str, Callable[[AdminApi], object], dict[str, Any]]] = [
    ("GetStats", lambda admin: admin.stats(), {}),
    ("ListRecentSessions", lambda admin: admin.recent(), {"sessions": 2}),
    ("ListUsers", lambda admin: admin.users(), {"users": 2}),
    ("ExplainSession", lambda admin: admin.explain(access_token="x"), {"verdict": "TOKEN_INVALID"}),
    (
        "PurgeSessions",
        lambda admin: admin.purge(older_than=Duration(), include_active=True, execute=True),
        {
            "execute": True, "include_active": True, "resumed": False, "ended_sessions": 0,
            "expired_sessions": 0, "active_sessions": 2,
        },
    ),
    (
        "DeleteUser",
        lambda admin: admin.delete_user("alice"),
        {"user_id": "alice", "ended_sessions": 1, "erased_sessions": 0},
    ),
    (
        "AuditIndex",
        lambda admin: admin.audit(repair=True),
        {"repair": True, "found": 0, "repaired": 0},
    ),
    ("ListJobs", lambda admin: admin.jobs(), {}),
    ("RunJob", lambda admin: admin.run_job("orphans"), {"job": "orphans"}),
    (
        "ImportSessions",
        lambda admin: admin.bring_in([old_session("alice", "a"), old_session("eve", "e")]),
        {"validate_only": False, "imported": 1, "exists": 1},
    ),
    ("ExportSessions", lambda admin: admin.export(), {"user_id": "", "sessions": 2}),
    ("RotateSigningKey", lambda admin: admin.rotate(), {"created": True}),
]  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def audited(serve_with: ServeWith, file: Path) -> Server:
    """A server that keeps its audit log."""
    return serve_with(audit_log_file=file)


def _acts(file: Path, method: str) -> list[dict[str, Any]]:
    acts = [json.loads(line) for line in file.read_text().splitlines()]
    return [act for act in acts if act["method"] == method]


def _act(file: Path, method: str) -> dict[str, Any]:
    eventually(lambda: _acts(file, method))
    (act,) = _acts(file, method)
    return act


def test_every_rpc_is_tried() -> None:
    """None is left out below."""
    assert tuple(method for method, _, _ in ACTS) == ADMIN_RPCS


@pytest.mark.parametrize(("method", "do", "facts"), [pytest.param(*act, id=act[0]) for act in ACTS])
def test_an_act_tells_who_did_what_to_how_many(
    audited: Server, file: Path, method: str, do: Callable[[AdminApi], object], facts: Any
) -> None:
    """With caller, outcome and request id."""
    ids = [bring_in(audited, user, user[0]) for user in ("alice", "bob")]
    file.write_text("")
    do(audited.admin())
    act = _act(file, method)
    assert facts.items() <= act.items()
    assert (act["caller"], act["code"]) == ("admin", "OK")
    assert act["request_id"]
    assert act["time"]
    assert all(session_id not in file.read_text() for session_id in ids)


@pytest.mark.parametrize("method", ADMIN_RPCS)
def test_an_attempt_of_others_is_an_act_too(audited: Server, file: Path, method: str) -> None:
    """Refused, and by whom; who is nobody known leaves no line."""
    writer = audited.api("writer")
    refused(writer.call, request_type(method)())
    act = _act(file, method)
    assert (act["caller"], act["code"], act["reason"]) == (
        "writer",
        "PERMISSION_DENIED",
        Reason.ROLE_REQUIRED,
    )
    nobody = Calls(audited.channel(), None)
    refused(nobody.call, request_type(method)())
    assert len(_acts(file, method)) == 1


def test_a_purge_that_was_stopped_tells_what_it_had_done(audited: Server, file: Path) -> None:
    """CANCELLED, with the count so far."""
    populate(audited, 2_000)
    admin = audited.admin()
    purging = admin.purging(older_than=Duration(), include_active=True, execute=True)
    next(purging)
    purging.cancel()
    act = _act(file, "PurgeSessions")
    assert act["code"] == "CANCELLED"
    assert act["active_sessions"] == 2_000 - admin.stats().live_sessions
