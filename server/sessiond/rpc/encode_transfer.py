"""From sessions that moved in and out to messages."""

from __future__ import annotations

from collections.abc import Iterable

from sessiond.rpc import encode
from sessiond.service.exporting import ExportPage
from sessiond.service.importing import ImportOutcome
from sessionstore.v1 import admin_service_pb2 as pb


def import_outcomes(values: Iterable[ImportOutcome]) -> pb.ImportSessionsResponse:
    """What became of the sessions of one request, in order."""
    return pb.ImportSessionsResponse(
        results=[
            pb.ImportResult(
                outcome=pb.ImportResult.Outcome.ValueType(value.fate),
                session_id=value.session_id,
                description=value.description,
                evicted_session_ids=value.evicted,
            )
            for value in values
        ]
    )


def export_page(value: ExportPage) -> pb.ExportSessionsResponse:
    """Some sessions, and how far the export has come."""
    return pb.ExportSessionsResponse(
        sessions=encode.sessions(value.sessions),
        users_done=value.users_done,
        users_total=value.users_total,
        resume_token=value.resume_token,
        done=value.done,
    )
