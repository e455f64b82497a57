"""Answers, as small as the checker needs them. Times are milliseconds of the engine's clock."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.faults.backend import Created, Refreshed, Session, end_reason

_GENERATION: Final = slice(22, 26)
"""Of a refresh token's bytes (sessiond.tokens.refresh)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A session as an answer showed it. Milliseconds of the engine's clock."""

    session_id: str
    user: str
    profile: str
    state: str
    end_reason: str
    device: str
    create_us: int
    refresh_ms: int
    expire_ms: int
    absolute_ms: int

    @property
    def live(self) -> bool:
        return self.state == "ACTIVE"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call that was answered OK returned."""

    sessions: tuple[Seen, ...] = ()
    made_room: tuple[Seen, ...] = ()
    """Those that a create says it ended."""
    ended: tuple[str, ...] = ()
    """The ids that a revoke-all says it ended."""
    verdict: str = ""
    rotation: str = ""
    """The outcome of a refresh, such as ROTATED."""
    generation: int = 0
    """Of the refresh token that was given."""
    token: int = 0
    """Tells the refresh tokens of one generation apart."""
    previous_expire_ms: int = 0


def generation_of(refresh_token: str) -> int:
    """The generation that a refresh token was minted for."""
    raw = urlsafe_b64decode(refresh_token.partition("_")[2])
    return int.from_bytes(raw[_GENERATION])


def read_created(reply: Created) -> Answer:
    """What a create returned."""
    return Answer(
        sessions=(_seen(reply.session),),
        made_room=read_sessions(reply.evicted_sessions).sessions,
        generation=generation_of(reply.tokens.refresh_token),
        token=hash(reply.tokens.refresh_token),
    )


def read_refreshed(reply: Refreshed) -> Answer:
    """What a refresh returned."""
    return Answer(
        sessions=(_seen(reply.session),),
        rotation=pb.RefreshSessionResponse.Outcome.Name(reply.outcome).removeprefix("OUTCOME_"),
        generation=generation_of(reply.tokens.refresh_token),
        token=hash(reply.tokens.refresh_token),
        previous_expire_ms=_ms(reply.previous_expire_time),
    )


def read_extended(reply: pb.ExtendSessionResponse) -> Answer:
    """What an extend returned."""
    return Answer((_seen(reply.session),), previous_expire_ms=_ms(reply.previous_expire_time))


def read_verdict(reply: pb.ValidateSessionResponse) -> Answer:
    """What a validate returned."""
    sessions = (_seen(reply.session),) if reply.HasField("session") else ()
    return Answer(sessions, verdict=pb.Verdict.Name(reply.verdict).removeprefix("VERDICT_"))


def read_session(session: Session) -> Answer:
    """The session that a get, an update or a revoke returned; none where it is unknown."""
    return Answer((_seen(session),) if session.session_id else ())


def read_sessions(sessions: Iterable[Session]) -> Answer:
    """The sessions of a list."""
    return Answer(tuple(map(_seen, sessions)))


def read_ended(session_ids: Iterable[str]) -> Answer:
    """What a revoke-all returned."""
    return Answer(ended=tuple(session_ids))


def _seen(session: Session) -> Seen:
    return Seen(
        session_id=session.session_id,
        user=session.user_id,
        profile=session.profile,
        state=session_pb2.Session.State.Name(session.state).removeprefix("STATE_"),
        end_reason=end_reason(session),
        device=session.client.device_id,
        create_us=session.create_time.seconds * 1_000_000 + session.create_time.nanos // 1000,
        refresh_ms=_ms(session.refresh_time),
        expire_ms=_ms(session.expire_time),
        absolute_ms=_ms(session.absolute_expire_time),
    )


def _ms(timestamp: Timestamp) -> int:
    return timestamp.seconds * 1000 + timestamp.nanos // 1_000_000
