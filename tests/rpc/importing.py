"""Sessions of another system, brought in as operators bring them."""

from __future__ import annotations

import time
from typing import Any

from sessionstore.v1 import admin_service_pb2 as pb
from tests.rpc.serving import Server

DAY_S = 86_400


def old_session(
    user: str, external_id: str, *, age_s: float = DAY_S, left_s: float = DAY_S, **fields: Any
) -> pb.ImportedSession:
    """A session created so long ago, with so much of its life left; in seconds."""
    session = pb.ImportedSession(external_id=external_id, user_id=user, **fields)
    now = time.time()
    session.create_time.FromMilliseconds(int((now - age_s) * 1000))
    session.expire_time.FromMilliseconds(int((now + left_s) * 1000))
    return session


def bring_in(server: Server, user: str, external_id: str, **fields: Any) -> str:
    """Import a session of yesterday that lives another day; its id here."""
    (result,) = server.admin().bring_in([old_session(user, external_id, **fields)])
    assert result.outcome == pb.ImportResult.OUTCOME_IMPORTED, result
    return result.session_id


def populate(server: Server, users: int, *, each: int = 1) -> list[str]:
    """Import sessions of many users; the users, whose sessions are all live."""
    names = [f"user-{number:05}" for number in range(users)]
    sessions = [old_session(name, f"{name}/{i}") for name in names for i in range(each)]
    most = 500
    requests = (
        pb.ImportSessionsRequest(sessions=sessions[start : start + most])
        for start in range(0, len(sessions), most)
    )
    for answer in server.admin().importing(requests):
        assert {result.outcome for result in answer.results} == {pb.ImportResult.OUTCOME_IMPORTED}
    return names
