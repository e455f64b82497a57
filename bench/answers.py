"""What the answer to each request has to be."""

from __future__ import annotations

from typing import Any, Final

from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb


class WrongAnswerError(Exception):
    """The server answered something else: the run measured nothing."""


REQUESTS: Final[dict[str, type[Any]]] = {
    "ValidateSession": pb.ValidateSessionRequest,
    "BatchValidateSessions": pb.BatchValidateSessionsRequest,
    "CreateSession": pb.CreateSessionRequest,
    "RefreshSession": pb.RefreshSessionRequest,
    "RevokeSession": pb.RevokeSessionRequest,
}
RESPONSES: Final[dict[str, type[Any]]] = {
    "ValidateSession": pb.ValidateSessionResponse,
    "BatchValidateSessions": pb.BatchValidateSessionsResponse,
    "CreateSession": pb.CreateSessionResponse,
    "RefreshSession": pb.RefreshSessionResponse,
    "RevokeSession": pb.RevokeSessionResponse,
}


def check(method: str, reply: Any, expected: str) -> None:
    """See that a reply is right.

    Args:
        method: the RPC's name.
        reply: its response.
        expected: session ids, separated by spaces; for a create the user id, and how many sessions
            must have made room.

    Raises:
        WrongAnswerError: it is not.
    """
    if _answer(method, reply) != expected:
        raise WrongAnswerError(f"{method}: not {expected!r} but {reply}")


def _answer(method: str, reply: Any) -> str:
    """What was expected if all went well; anything else if not."""
    match method:
        case "ValidateSession":
            return _valid(reply)
        case "BatchValidateSessions":
            return " ".join(map(_valid, reply.results))
        case "CreateSession":
            made = reply.tokens.access_token and reply.tokens.refresh_token
            evicted = len(reply.evicted_sessions)
            return f"{reply.session.user_id} {evicted}" if made and _live(reply.session) else ""
        case "RefreshSession":
            rotated = reply.outcome == pb.RefreshSessionResponse.OUTCOME_ROTATED
            return reply.session.session_id if rotated and _live(reply.session) else ""
        case "RevokeSession":
            ended = reply.session.state == session_pb2.Session.STATE_ENDED
            return reply.session.session_id if ended else ""
    raise ValueError(f"nothing is known of {method}")


def _live(session: Any) -> bool:
    return bool(session.state == session_pb2.Session.STATE_ACTIVE)


def _valid(reply: Any) -> str:
    found = reply.verdict == pb.VERDICT_ACTIVE and _live(reply.session)
    return str(reply.session.session_id) if found else ""
