"""What callers give to messages of the contract; shared by the sync and the async client."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from sessionstore._enums import EventType
from sessionstore.types import Authentication, ClientInfo, Credential, EndReason, State
from sessionstore.v1 import event_pb2, session_pb2, session_service_pb2


def new_request_id() -> str:
    """Random per call and its retries: 36 characters (AIP-155)."""
    return str(uuid.uuid4())


def client(info: ClientInfo | None) -> session_pb2.Client | None:
    """The client's details; a header that is no valid Unicode never fails a login."""
    if info is None:
        return None
    return session_pb2.Client(
        user_agent=encodable(info.user_agent),
        ip_address=encodable(info.ip_address),
        device_id=info.device_id,
        device_name=encodable(info.device_name),
        fingerprint=encodable(info.fingerprint),
    )


def authentication(value: Authentication | None) -> session_pb2.Authentication | None:
    if value is None:
        return None
    return session_pb2.Authentication(
        methods=strings("methods", value.methods),
        acr=value.acr,
        time=timestamp(value.time),
    )


def credential(value: Credential) -> session_service_pb2.ValidateSessionRequest:
    return session_service_pb2.ValidateSessionRequest(
        **given(
            access_token=value.access_token,
            session_id=value.session_id,
            refresh_token=value.refresh_token,
        ),
        audience=value.audience,
    )


def duration(value: timedelta | None) -> Duration | None:
    if value is None:
        return None
    message = Duration()
    message.FromTimedelta(value)
    return message


def timestamp(value: datetime | None) -> Timestamp | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a time must be aware: datetime.now(UTC), not datetime.now()")
    message = Timestamp()
    message.FromDatetime(value)
    return message


def end_reason(value: EndReason | None) -> session_pb2.EndReason.ValueType:
    if value is None:
        return session_pb2.END_REASON_UNSPECIFIED
    return session_pb2.EndReason.Value(f"END_REASON_{EndReason(value)}")


def states(values: Iterable[State]) -> list[session_pb2.Session.State.ValueType]:
    return [
        session_pb2.Session.State.Value(f"STATE_{State(value)}")
        for value in strings("states", values)
    ]


def event_types(values: Iterable[EventType]) -> list[event_pb2.EventType.ValueType]:
    return [
        event_pb2.EventType.Value(f"EVENT_TYPE_{EventType(value)}")
        for value in strings("types", values)
    ]


def strings(name: str, values: Iterable[str]) -> list[str]:
    """The values, unless they are one string: its characters are never what was meant."""
    if isinstance(values, str):
        raise TypeError(f"{name} takes several strings, not one")
    return list(values)


def given(**credentials: str | None) -> dict[str, str]:
    """Those that are not None. One that is no valid Unicode is left to be found not valid."""
    return {name: encodable(value) for name, value in credentials.items() if value is not None}


def encodable(text: str) -> str:
    """The text with "?" for what UTF-8 cannot carry (PEP 383 surrogates of a raw header)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
