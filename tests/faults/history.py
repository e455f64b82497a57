"""What a workload asked, when, and what it was told: the record that the checker judges.

    history = History(deadline_s=2.0)
    call = Call(Op.EXTEND, user, session_id=session_id)
    answer = await history.record(call, backend.extend(session_id), read_extended)

`began` and `answered` are seconds of this process' monotonic clock. What a session shows are times
of the engine, which shares this machine's wall clock; `History.engine_ms` relates the two.
"""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64decode
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf
from typing import Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.faults.backend import Created, Refreshed, Refused, Session, attempt, end_reason

_UNKNOWN_CODES: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN"})
_BEAT_S: Final = 0.01
_NOTED_S: Final = 0.005
_GENERATION: Final = slice(22, 26)
"""Of a refresh token's bytes (sessiond.tokens.refresh)."""

_Reply = TypeVar("_Reply")


class Op(Enum):
    """What was asked."""

    CREATE = auto()
    REFRESH = auto()
    EXTEND = auto()
    VALIDATE = auto()
    GET = auto()
    LIST = auto()
    UPDATE = auto()
    REVOKE = auto()
    REVOKE_ALL = auto()


class Outcome(Enum):
    """What is known of a call's effect."""

    OK = auto()
    REFUSED = auto()
    """Definitely; REFRESH_TOKEN_REUSED ends its session, any other refusal changes nothing."""
    UNKNOWN = auto()
    """It may take effect at any time from its begin on, or never."""


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


@dataclass(slots=True, eq=False)
class Call:
    """One call. A batch is recorded as so many validations, begun and answered together."""

    op: Op
    user: str
    session_id: str = ""
    """The session that it is about, also where a token names it."""
    by: str = ""
    """The kind of credential: session_id, access_token or refresh_token."""
    generation: int = 0
    """Of the refresh token that was presented."""
    request_id: str = ""
    profile: str = ""
    device: str = ""
    spared: str = ""
    """The session id that a revoke-all leaves."""
    began: float = 0.0
    answered: float = inf
    deadline_s: float = 0.0
    outcome: Outcome = Outcome.UNKNOWN
    code: str = ""
    reason: str = ""
    answer: Answer = field(default_factory=Answer)

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    def __str__(self) -> str:
        about = f" {self.session_id[-6:]}" if self.session_id else ""
        about += f" g{self.generation}" if self.generation else ""
        about += f" r{self.request_id[:6]}" if self.request_id else ""
        said = self.reason or self.code or self.answer.rotation or self.answer.verdict
        lasted = f"{self.began:.3f}..{self.answered:.3f}"
        return f"{self.op.name}{about} {self.outcome.name} {said} [{lasted}]"


class History:
    """Every call of a round, and the stalls of the process that made them."""

    def __init__(self, *, deadline_s: float) -> None:
        """Start with nothing; `deadline_s` is what every call is given."""
        self.calls: list[Call] = []
        self.rpcs = 0
        self._deadline_s = deadline_s
        self._stalls: list[tuple[float, float]] = []
        self._engine_ahead_s = time.time() - time.monotonic()

    def engine_ms(self, at: float) -> float:
        """The engine's clock at a time of ours."""
        return (at + self._engine_ahead_s) * 1000

    def stalled_s(self, start: float, end: float) -> float:
        """For how long within this time our own event loop did not run."""
        total = 0.0
        for i in range(bisect_left(self._stalls, (start, 0.0)), len(self._stalls)):
            ended, lasted = self._stalls[i]
            if ended - lasted >= end:
                break
            total += min(end, ended) - max(start, ended - lasted)
        return total

    @asynccontextmanager
    async def heeding_stalls(self) -> AsyncIterator[None]:
        """Note inside when our own event loop does not run: nobody else is to blame for that."""
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait([beating])

    async def _beat(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(_BEAT_S)
            late_s = (after := time.monotonic()) - before - _BEAT_S
            if late_s > _NOTED_S:
                self._stalls.append((after, late_s))

    async def record(
        self, call: Call, reply: Awaitable[_Reply], read: Callable[[_Reply], Answer]
    ) -> _Reply | None:
        """The reply; None if the call failed, and why is in `call`. A cancelled call is UNKNOWN."""
        replied = await self._record([call], reply)
        if replied is not None:
            call.answer = read(replied)
        return replied

    async def record_batch(
        self, calls: Sequence[Call], reply: Awaitable[pb.BatchValidateSessionsResponse]
    ) -> None:
        """Record a batch; a result too few or too many is an error at once."""
        replied = await self._record(calls, reply)
        if replied is not None:
            for call, result in zip(calls, replied.results, strict=True):
                call.answer = read_verdict(result)

    async def _record(self, calls: Sequence[Call], reply: Awaitable[_Reply]) -> _Reply | None:
        self.rpcs += 1
        self.calls += calls
        began = time.monotonic()
        for call in calls:
            call.began, call.deadline_s = began, self._deadline_s
        result: _Reply | Refused = Refused("CANCELLED")
        try:
            result = await attempt(reply)
        finally:
            answered = time.monotonic()
            for call in calls:
                call.answered = answered
                _take(call, result)
        return None if isinstance(result, Refused) else result


def _take(call: Call, result: object) -> None:
    if not isinstance(result, Refused):
        call.outcome = Outcome.OK
        return
    call.code, call.reason = result.code, result.reason
    unknown = result.code in _UNKNOWN_CODES or result.reason == "INTERNAL"
    call.outcome = Outcome.UNKNOWN if unknown else Outcome.REFUSED


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
