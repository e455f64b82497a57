"""What a verifier raises: built as the service's own errors are, so that they read the same."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

import grpc

from sessionstore import _status, errors
from sessionstore.types import EndReason, Validation, Verdict

E = TypeVar("E", bound=errors.SessionStoreError)


def token_invalid() -> errors.TokenInvalid:
    """It does not say what is wrong: that helps only whoever forges."""
    return _refusal(errors.TokenInvalid, "TOKEN_INVALID", "not a valid access token")


def token_expired() -> errors.TokenExpired:
    return _refusal(errors.TokenExpired, "TOKEN_EXPIRED", "the access token has expired")


def session_ended(session_id: str, reason: EndReason | None) -> errors.SessionEnded:
    about = _about(session_id, reason)
    return _refusal(errors.SessionEnded, "SESSION_ENDED", "the session was ended", about)


def of_verdict(answer: Validation, session_id: str) -> errors.CredentialRefused:
    """Of an answer that is not ACTIVE; one that this SDK does not know is a refusal too."""
    match answer.verdict:
        case Verdict.TOKEN_EXPIRED:
            return token_expired()
        case Verdict.ENDED:
            return session_ended(session_id, answer.end_reason)
        case Verdict.EXPIRED:
            about = _about(session_id, answer.end_reason)
            message = "the session has expired"
            return _refusal(errors.SessionExpired, "SESSION_EXPIRED", message, about)
        case Verdict.NOT_FOUND:
            message = "there is no such session, or it is no longer remembered"
            return _refusal(
                errors.SessionNotFound, "SESSION_NOT_FOUND", message, _about(session_id)
            )
        case _:
            return token_invalid()


def unavailable(message: str) -> errors.Unavailable:
    return errors.Unavailable(grpc.StatusCode.UNAVAILABLE, message)


def no_answer(error: errors.SessionStoreError) -> errors.Unavailable:
    """The service was asked in vain; reason and retry time are those of its error."""
    message = f"stale, and the service could not be asked: {error}"
    return errors.Unavailable(grpc.StatusCode.UNAVAILABLE, message, error.details, error.request_id)


def _about(session_id: str, reason: EndReason | None = None) -> dict[str, str]:
    return {"session_id": session_id} | ({"end_reason": str(reason)} if reason else {})


def _refusal(
    kind: type[E], reason: str, message: str, about: Mapping[str, str] = MappingProxyType({})
) -> E:
    code = grpc.StatusCode.FAILED_PRECONDITION
    return kind(code, message, _status.serialized(code, reason, about))
