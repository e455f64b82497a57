"""The one table from what the service answers to what the SDK raises."""

from __future__ import annotations

from typing import Any

import grpc

from sessionstore import _status, errors

DETAILS_KEY = "grpc-status-details-bin"
REQUEST_ID_KEY = "x-request-id"
_ENDED_WHILE_SENDING = "Internal error from Core"
"""grpc.aio's words, with INTERNAL, where it was still sending when the call ended."""

BY_REASON: dict[str, type[errors.SessionStoreError]] = {
    "INVALID_FIELD": errors.InvalidRequest,
    "CREDENTIALS_MISSING": errors.CallerNotAuthenticated,
    "CREDENTIALS_INVALID": errors.CallerNotAuthenticated,
    "CREDENTIALS_EXPIRED": errors.CallerNotAuthenticated,
    "ROLE_REQUIRED": errors.CallerNotPermitted,
    "REFRESH_TOKEN_INVALID": errors.RefreshTokenInvalid,
    "REFRESH_TOKEN_REUSED": errors.RefreshTokenReused,
    "REFRESH_TOKEN_AHEAD": errors.RefreshTokenAhead,
    "SESSION_NOT_FOUND": errors.SessionNotFound,
    "SESSION_ENDED": errors.SessionEnded,
    "SESSION_EXPIRED": errors.SessionExpired,
    "SESSION_LIMIT_REACHED": errors.SessionLimitReached,
    "SESSION_USER_MISMATCH": errors.SessionUserMismatch,
    "REQUEST_ID_REUSED": errors.RequestIdReused,
    "REPLAY_SUPERSEDED": errors.ReplaySuperseded,
    "ETAG_MISMATCH": errors.EtagMismatch,
    "STORE_UNAVAILABLE": errors.Unavailable,
    "STORE_FULL": errors.StoreFull,
    "OVERLOADED": errors.Overloaded,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "INTERNAL": errors.InternalError,
    "SESSION_ALREADY_ADOPTED": errors.SessionAlreadyAdopted,
    "JOB_NOT_FOUND": errors.JobNotFound,
    "JOB_RUNNING": errors.JobRunning,
    "KEYS_READ_ONLY": errors.KeysReadOnly,
    "IMPORT_KEY_MISSING": errors.ImportKeyMissing,
    "CURSOR_TOO_OLD": errors.CursorTooOld,
    "LOG_REWOUND": errors.LogRewound,
    "WATCHER_TOO_SLOW": errors.WatcherTooSlow,
    "CALLER_LIMIT_REACHED": errors.CallerLimitReached,
}

# For what a proxy, gRPC itself or a newer server says without a reason that is listed above.
# NOT_FOUND and FAILED_PRECONDITION are left out: without a reason they speak of no session.
BY_CODE: dict[grpc.StatusCode, type[errors.SessionStoreError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: errors.CallerNotAuthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.CallerNotPermitted,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Unavailable,  # by a server that stops: it came too late
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.INTERNAL: errors.InternalError,
}


def error_of(failed: grpc.RpcError, request_id: str) -> errors.SessionStoreError:
    """The exception for a call that failed, sync or async."""
    metadata: Any = failed.trailing_metadata()
    trailing = dict(iter(metadata or ()))  # iter: the aio kind has keys() but is no mapping
    details = trailing.get(DETAILS_KEY, b"")
    reason = _status.parse(details).reason
    code, message = failed.code(), failed.details() or ""
    if message == _ENDED_WHILE_SENDING:
        code, message = grpc.StatusCode.UNAVAILABLE, "the call ended while it was sent"
    kind = BY_REASON.get(reason) or BY_CODE.get(code, errors.SessionStoreError)
    logged_as = trailing.get(REQUEST_ID_KEY, request_id)
    return kind(code, message, details, logged_as)
