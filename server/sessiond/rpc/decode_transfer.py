"""From the messages that move sessions in and out to what the service understands."""

from __future__ import annotations

from dataclasses import dataclass

from sessiond.domain import limits
from sessiond.domain.session import State
from sessiond.rpc import decode
from sessiond.rpc.rules import Rules
from sessiond.service.importing import ImportRecord, InvalidRecord
from sessionstore.v1 import admin_service_pb2 as pb


def import_records(message: pb.ImportSessionsRequest) -> list[ImportRecord | InvalidRecord]:
    """The sessions of one request: one that breaks a rule spoils no other.

    Raises:
        InvalidFieldError: there are none, or too many.
    """
    with Rules() as rules:
        size = len(message.sessions)
        if not 1 <= size <= limits.MAX_IMPORT:
            most = limits.MAX_IMPORT
            rules.refuse("sessions", f"has {size} entries, 1 to {most} are allowed")
    return [_import_record(session) for session in message.sessions]


def _import_record(message: pb.ImportedSession) -> ImportRecord | InvalidRecord:
    rules = Rules()
    for field in ("create_time", "expire_time"):
        if not message.HasField(field):
            rules.refuse(field, "is required")
    record = ImportRecord(
        external_id=rules.external_id(message.external_id),
        user_id=rules.user_id(message.user_id),
        create_us=rules.time_us("create_time", message.create_time),
        expire_ms=rules.time("expire_time", message.expire_time),
        profile=message.profile,
        client=decode.client(message.client, rules),
        attributes=rules.attributes(message.attributes),
        is_revoked=message.HasField("revoke_time"),
    )
    return InvalidRecord(tuple(rules.violations)) if rules.violations else record


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Which sessions to give out; no user and no states stand for all."""

    user_id: str
    states: tuple[State, ...]
    resume_token: str


def export_request(message: pb.ExportSessionsRequest) -> ExportRequest:
    """Which sessions to give out."""
    with Rules() as rules:
        return ExportRequest(
            user_id=rules.text("user_id", message.user_id, limits.MAX_USER_ID),
            states=decode.states(message.states, rules),
            resume_token=rules.text("resume_token", message.resume_token, limits.MAX_PAGE_TOKEN),
        )
