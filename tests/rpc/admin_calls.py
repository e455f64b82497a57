"""AdminService, called by the generated stubs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import grpc

from sessionstore.v1 import admin_service_pb2 as pb
from sessionstore.v1.admin_service_pb2_grpc import AdminServiceStub
from tests.rpc.calls import Calls


class AdminApi(Calls):
    """AdminService, called with one service token."""

    def __init__(self, channel: grpc.Channel, token: str | None, **options: float) -> None:
        super().__init__(channel, token, **options)
        self._stub = AdminServiceStub(channel)

    def stats(self) -> pb.GetStatsResponse:
        return self._stub.GetStats(pb.GetStatsRequest(), **self._options)

    def recent(self, **fields: Any) -> pb.ListRecentSessionsResponse:
        request = pb.ListRecentSessionsRequest(**fields)
        return self._stub.ListRecentSessions(request, **self._options)

    def users(self, **fields: Any) -> pb.ListUsersResponse:
        return self._stub.ListUsers(pb.ListUsersRequest(**fields), **self._options)

    def explain(self, **fields: Any) -> pb.ExplainSessionResponse:
        return self._stub.ExplainSession(pb.ExplainSessionRequest(**fields), **self._options)

    def purging(self, **fields: Any) -> Any:
        """A purge that goes on: its messages, and `cancel()`."""
        return self._stub.PurgeSessions(pb.PurgeSessionsRequest(**fields), **self._options)

    def purge(self, **fields: Any) -> list[pb.PurgeSessionsResponse]:
        """All messages of a purge."""
        return list(self.purging(**fields))

    def delete_user(self, user_id: str) -> pb.DeleteUserResponse:
        return self._stub.DeleteUser(pb.DeleteUserRequest(user_id=user_id), **self._options)

    def audit(self, *, repair: bool = False) -> list[pb.AuditIndexResponse]:
        """All messages of an audit."""
        return list(self._stub.AuditIndex(pb.AuditIndexRequest(repair=repair), **self._options))

    def jobs(self) -> dict[str, pb.Job]:
        """The jobs by name."""
        answer = self._stub.ListJobs(pb.ListJobsRequest(), **self._options)
        return {job.name: job for job in answer.jobs}

    def run_job(self, name: str) -> pb.Job:
        return self._stub.RunJob(pb.RunJobRequest(name=name), **self._options).job

    def importing(self, requests: Iterator[pb.ImportSessionsRequest]) -> Any:
        """An import that goes on: its answers, and `cancel()`."""
        return self._stub.ImportSessions(requests, **self._options)

    def bring_in(
        self, sessions: Iterable[pb.ImportedSession], **fields: Any
    ) -> list[pb.ImportResult]:
        """What became of some sessions, in one request."""
        request = pb.ImportSessionsRequest(sessions=sessions, **fields)
        (answer,) = self.importing(iter([request]))
        return list(answer.results)

    def exporting(self, **fields: Any) -> Any:
        """An export that goes on: its messages, and `cancel()`."""
        return self._stub.ExportSessions(pb.ExportSessionsRequest(**fields), **self._options)

    def export(self, **fields: Any) -> list[pb.ExportSessionsResponse]:
        """All messages of an export."""
        return list(self.exporting(**fields))

    def rotate(self) -> pb.RotateSigningKeyResponse:
        return self._stub.RotateSigningKey(pb.RotateSigningKeyRequest(), **self._options)
