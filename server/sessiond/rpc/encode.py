"""From the domain to messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from sessiond.domain import session as domain
from sessiond.domain.session import Cut
from sessiond.service.issuing import Tokens
from sessiond.service.validation import Validation
from sessionstore.v1 import session_pb2, session_service_pb2

_CUT_FIELDS: Final = (
    (Cut.USER_AGENT, "user_agent"),
    (Cut.IP_ADDRESS, "ip_address"),
    (Cut.DEVICE_NAME, "device_name"),
    (Cut.FINGERPRINT, "fingerprint"),
)

_NO_AUTHENTICATION: Final = domain.Authentication()


def timestamp(ms: int) -> Timestamp | None:
    """A time in milliseconds as a Timestamp; None for 0, which stands for "never"."""
    if not ms:
        return None
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def session(value: domain.Session) -> session_pb2.Session:
    """A session, without anything that could be used as a credential."""
    client = value.client
    return session_pb2.Session(
        session_id=value.id,
        user_id=value.user_id,
        profile=value.profile,
        state=session_pb2.Session.State.ValueType(value.state),
        end_reason=session_pb2.EndReason.ValueType(value.end_reason),
        client=session_pb2.Client(
            user_agent=client.user_agent,
            ip_address=client.ip_address,
            device_id=client.device_id,
            device_name=client.device_name,
            fingerprint=client.fingerprint,
            cut_fields=[name for mark, name in _CUT_FIELDS if mark in client.cut],
        ),
        attributes=value.attributes,
        authentication=_authentication(value.authentication),
        audience=value.audience,
        create_time=Timestamp(
            seconds=value.create_us // 1_000_000, nanos=value.create_us % 1_000_000 * 1000
        ),
        expire_time=timestamp(value.expire_ms),
        absolute_expire_time=timestamp(value.absolute_expire_ms),
        refresh_time=timestamp(value.refresh_ms),
        last_seen_time=timestamp(value.last_seen_ms),
        end_time=timestamp(value.end_ms),
        ended_by=value.ended_by,
        etag=str(value.version),
    )


def _authentication(value: domain.Authentication) -> session_pb2.Authentication | None:
    if value == _NO_AUTHENTICATION:
        return None
    return session_pb2.Authentication(
        methods=value.methods, acr=value.acr, time=timestamp(value.time_ms)
    )


def sessions(values: Iterable[domain.Session]) -> list[session_pb2.Session]:
    """Sessions, in order."""
    return [session(value) for value in values]


def tokens(value: Tokens) -> session_pb2.Tokens:
    """A session's credentials."""
    return session_pb2.Tokens(
        access_token=value.access_token,
        access_token_expire_time=timestamp(value.access_token_expire_ms),
        refresh_token=value.refresh_token,
        refresh_token_expire_time=timestamp(value.refresh_token_expire_ms),
    )


def validation(value: Validation) -> session_service_pb2.ValidateSessionResponse:
    """A verdict."""
    return session_service_pb2.ValidateSessionResponse(
        verdict=session_service_pb2.Verdict.ValueType(value.verdict),
        session=session(value.session) if value.session else None,
        end_reason=session_pb2.EndReason.ValueType(value.end_reason),
    )
