"""Answers of the service with every field set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from sessionstore.v1 import session_pb2

ACCESS_TOKEN = "canary.access.token"
REFRESH_TOKEN = "srt1_canary-refresh-token"

EPOCH = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


def at(hours: int) -> datetime:
    """A moment with microseconds, so many hours after the first one."""
    return EPOCH + timedelta(hours=hours)


def stamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def session(session_id: str = "s1", **fields: Any) -> session_pb2.Session:
    """A live session, or what the fields make of it."""
    values: dict[str, Any] = {
        "user_id": "alice",
        "profile": "web",
        "state": session_pb2.Session.STATE_ACTIVE,
        "client": session_pb2.Client(
            user_agent="curl/8",
            ip_address="203.0.113.7",
            device_id="d1",
            device_name="Laptop",
            fingerprint="f1",
            cut_fields=["user_agent"],
        ),
        "attributes": {"theme": "dark"},
        "authentication": session_pb2.Authentication(
            methods=["pwd", "otp"], acr="2", time=stamp(at(0))
        ),
        "audience": ["api"],
        "create_time": stamp(at(1)),
        "expire_time": stamp(at(2)),
        "absolute_expire_time": stamp(at(3)),
        "refresh_time": stamp(at(4)),
        "last_seen_time": stamp(at(5)),
        "etag": "3",
    }
    return session_pb2.Session(session_id=session_id, **{**values, **fields})


def ended_session(session_id: str = "s0") -> session_pb2.Session:
    return session(
        session_id,
        state=session_pb2.Session.STATE_ENDED,
        end_reason=session_pb2.END_REASON_EVICTED_BY_CAP,
        end_time=stamp(at(6)),
        ended_by="web-frontend",
    )


def tokens() -> session_pb2.Tokens:
    return session_pb2.Tokens(
        access_token=ACCESS_TOKEN,
        access_token_expire_time=stamp(at(7)),
        refresh_token=REFRESH_TOKEN,
        refresh_token_expire_time=stamp(at(8)),
    )
