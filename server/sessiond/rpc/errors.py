"""The one map from errors to statuses (AIP-193): code, ErrorInfo, and BadRequest or RetryInfo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as AnyProto
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from sessiond.domain.errors import InvalidFieldError, Reason, SessionStoreError

DOMAIN: Final = "sessionstore.v1"
DETAILS_KEY: Final = "grpc-status-details-bin"
REQUEST_ID_KEY: Final = "x-request-id"

CODES: Final = {
    Reason.INVALID_FIELD: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.CREDENTIALS_MISSING: grpc.StatusCode.UNAUTHENTICATED,
    Reason.CREDENTIALS_INVALID: grpc.StatusCode.UNAUTHENTICATED,
    Reason.CREDENTIALS_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.ROLE_REQUIRED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.REFRESH_TOKEN_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.REFRESH_TOKEN_REUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.REFRESH_TOKEN_AHEAD: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SESSION_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.SESSION_ENDED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SESSION_EXPIRED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SESSION_LIMIT_REACHED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SESSION_USER_MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.REQUEST_ID_REUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.REPLAY_SUPERSEDED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.ETAG_MISMATCH: grpc.StatusCode.ABORTED,
    Reason.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.STORE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
    Reason.SESSION_ALREADY_ADOPTED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.JOB_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.JOB_RUNNING: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.KEYS_READ_ONLY: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.IMPORT_KEY_MISSING: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CURSOR_TOO_OLD: grpc.StatusCode.OUT_OF_RANGE,
    Reason.LOG_REWOUND: grpc.StatusCode.OUT_OF_RANGE,
    Reason.WATCHER_TOO_SLOW: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.CALLER_LIMIT_REACHED: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

# For these a refresh token stands for the session, so what is missing is a precondition (DESIGN 6).
_BY_REFRESH_TOKEN: Final = {Reason.SESSION_NOT_FOUND: grpc.StatusCode.FAILED_PRECONDITION}

_RETRY_AFTER_S: Final = {
    Reason.STORE_UNAVAILABLE: 0.2,
    Reason.OVERLOADED: 0.1,
    Reason.WATCHER_TOO_SLOW: 0.5,
}
"""Where the error does not know better."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status, ready to be sent."""

    code: grpc.StatusCode
    reason: Reason
    message: str
    details: bytes


def to_refusal(error: SessionStoreError, *, by_refresh_token: bool = False) -> Refusal:
    """The status of an error; only its own words and metadata reach the caller."""
    reason = error.reason
    code = CODES[reason]
    if by_refresh_token:
        code = _BY_REFRESH_TOKEN.get(reason, code)
    details: list[Message] = [
        ErrorInfo(reason=reason.value, domain=DOMAIN, metadata=dict(error.metadata))
    ]
    if isinstance(error, InvalidFieldError):
        violations = [
            BadRequest.FieldViolation(field=v.field, description=v.description)
            for v in error.violations
        ]
        details.append(BadRequest(field_violations=violations))
    retry_after_s = error.retry_after_s or _RETRY_AFTER_S.get(reason)
    if retry_after_s:
        delay = Duration()
        delay.FromNanoseconds(round(retry_after_s * 1e9))
        details.append(RetryInfo(retry_delay=delay))
    status = Status(code=code.value[0], message=error.message)
    for detail in details:
        packed = AnyProto()
        packed.Pack(detail)
        status.details.append(packed)
    return Refusal(code, reason, error.message, status.SerializeToString())
