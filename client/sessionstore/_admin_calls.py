"""Each method of AdminService: how its request is built and how its answer is read.

Both clients send what is built here, so they cannot come to differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sessionstore import _admin_results, _requests, types
from sessionstore import admin_types as admin
from sessionstore._call import Call, Stream
from sessionstore.v1 import admin_service_pb2 as pb


def stats() -> Call[admin.Stats]:
    return Call("GetStats", pb.GetStatsRequest(), _admin_results.stats)


def recent_page(*, page_size: int, page_token: str) -> Call[types.SessionPage]:
    request = pb.ListRecentSessionsRequest(page_size=page_size, page_token=page_token)
    return Call("ListRecentSessions", request, _admin_results.recent_page)


def users_page(*, page_size: int, page_token: str) -> Call[admin.UsersPage]:
    request = pb.ListUsersRequest(page_size=page_size, page_token=page_token)
    return Call("ListUsers", request, _admin_results.users_page)


def explain(
    *, session_id: str | None, access_token: str | None, refresh_token: str | None
) -> Call[admin.Explanation]:
    named = _requests.given(
        session_id=session_id, access_token=access_token, refresh_token=refresh_token
    )
    if len(named) != 1:
        raise TypeError("give exactly one of session_id, access_token and refresh_token")
    return Call("ExplainSession", pb.ExplainSessionRequest(**named), _admin_results.explanation)


def purge(
    *,
    older_than: timedelta | None,
    cutoff_time: datetime | None,
    include_active: bool,
    execute: bool,
    resume_token: str,
) -> Stream[admin.PurgeProgress]:
    if (older_than is None) == (cutoff_time is None):
        raise TypeError("give exactly one of older_than and cutoff_time")
    request = pb.PurgeSessionsRequest(
        older_than=_requests.duration(older_than),
        cutoff_time=_requests.timestamp(cutoff_time),
        include_active=include_active,
        execute=execute,
        resume_token=resume_token,
    )
    return Stream("PurgeSessions", request, _admin_results.purge_progress, resumable=True)


def delete_user(user_id: str) -> Call[admin.DeletedUser]:
    return Call("DeleteUser", pb.DeleteUserRequest(user_id=user_id), _admin_results.deleted_user)


def audit(*, repair: bool) -> Stream[admin.AuditProgress]:
    return Stream("AuditIndex", pb.AuditIndexRequest(repair=repair), _admin_results.audit_progress)


def jobs() -> Call[tuple[admin.Job, ...]]:
    return Call("ListJobs", pb.ListJobsRequest(), _admin_results.jobs)


def run_job(name: str) -> Call[admin.Job]:
    return Call("RunJob", pb.RunJobRequest(name=name), _admin_results.started_job)


def import_sessions(requests: Any) -> Stream[tuple[admin.ImportResult, ...]]:
    """The call that sends the requests, each made by `import_request`."""
    return Stream("ImportSessions", requests, _admin_results.import_results)


def import_request(
    batch: Sequence[admin.ImportedSession], *, validate_only: bool
) -> pb.ImportSessionsRequest:
    return pb.ImportSessionsRequest(
        sessions=map(_imported_session, batch), validate_only=validate_only
    )


def export(
    user_id: str, *, states: Iterable[types.State], resume_token: str
) -> Stream[admin.ExportPage]:
    request = pb.ExportSessionsRequest(
        user_id=user_id, states=_requests.states(states), resume_token=resume_token
    )
    return Stream("ExportSessions", request, _admin_results.export_page, resumable=True)


def rotate_signing_key() -> Call[admin.RotatedKey]:
    return Call("RotateSigningKey", pb.RotateSigningKeyRequest(), _admin_results.rotated_key)


def _imported_session(session: admin.ImportedSession) -> pb.ImportedSession:
    return pb.ImportedSession(
        external_id=session.external_id,
        user_id=session.user_id,
        profile=session.profile or "",
        client=_requests.client(session.client),
        attributes=session.attributes,
        create_time=_requests.timestamp(session.create_time),
        expire_time=_requests.timestamp(session.expire_time),
        revoke_time=_requests.timestamp(session.revoke_time),
    )
