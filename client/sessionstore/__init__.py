"""The client of the session service.

from sessionstore import ClientInfo, SessionClient

with SessionClient("127.0.0.1:8443", token="...") as sessions:
    created = sessions.create("alice", client=ClientInfo(user_agent="curl/8"))
    sessions.validate(access_token=created.tokens.access_token).active
"""

from sessionstore._endpoint import TLS
from sessionstore._version import __version__
from sessionstore.aio import AsyncSessionClient
from sessionstore.client import SessionClient
from sessionstore.errors import (
    CallerNotAuthenticated,
    CallerNotPermitted,
    DeadlineExceeded,
    EtagMismatch,
    FieldViolation,
    InternalError,
    InvalidRequest,
    Overloaded,
    RefreshTokenAhead,
    RefreshTokenInvalid,
    RefreshTokenReused,
    ReplaySuperseded,
    RequestIdReused,
    ResourceExhausted,
    SessionEnded,
    SessionExpired,
    SessionLimitReached,
    SessionNotFound,
    SessionStoreError,
    SessionUnusable,
    SessionUserMismatch,
    StoreFull,
    Unavailable,
)
from sessionstore.types import (
    Authentication,
    ClientInfo,
    CreatedSession,
    Credential,
    EndReason,
    ExtendedSession,
    Outcome,
    RefreshedSession,
    Session,
    SessionPage,
    SigningKey,
    SigningKeys,
    State,
    Tokens,
    Validation,
    Verdict,
)

__all__ = [
    "TLS",
    "AsyncSessionClient",
    "Authentication",
    "CallerNotAuthenticated",
    "CallerNotPermitted",
    "ClientInfo",
    "CreatedSession",
    "Credential",
    "DeadlineExceeded",
    "EndReason",
    "EtagMismatch",
    "ExtendedSession",
    "FieldViolation",
    "InternalError",
    "InvalidRequest",
    "Outcome",
    "Overloaded",
    "RefreshTokenAhead",
    "RefreshTokenInvalid",
    "RefreshTokenReused",
    "RefreshedSession",
    "ReplaySuperseded",
    "RequestIdReused",
    "ResourceExhausted",
    "Session",
    "SessionClient",
    "SessionEnded",
    "SessionExpired",
    "SessionLimitReached",
    "SessionNotFound",
    "SessionPage",
    "SessionStoreError",
    "SessionUnusable",
    "SessionUserMismatch",
    "SigningKey",
    "SigningKeys",
    "State",
    "StoreFull",
    "Tokens",
    "Unavailable",
    "Validation",
    "Verdict",
    "__version__",
]
