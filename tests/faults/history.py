"""What a workload asked, when, and what it was told: the record that the checker judges.

    history = History(deadline_s=2.0)
    call = Call(Op.EXTEND, user, session_id=session_id)
    answer = await history.record(call, backend.extend(session_id), read_extended)

`began` and `answered` are seconds of this process' monotonic clock. What a session shows are times
of the engine, which shares this machine's wall clock; `History.engine_ms` relates the two.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf
from typing import Any, Final, TypeVar

from sessionstore.v1 import session_service_pb2 as pb
from tests.faults.answers import Answer, read_verdict
from tests.faults.backend import Refused, attempt

_UNKNOWN_CODES: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN"})
_DEAD_VERDICTS: Final = frozenset({"ENDED", "EXPIRED", "NOT_FOUND"})
_DEAD_REASONS: Final = frozenset(
    {"SESSION_ENDED", "SESSION_EXPIRED", "SESSION_NOT_FOUND", "REFRESH_TOKEN_REUSED"}
)
_BEAT_S: Final = 0.01
_NOTED_S: Final = 0.005

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
    forgotten: bool = False
    """Whether there was an answer that no longer counts, see `Loss`."""

    @property
    def is_over(self) -> bool:
        """Whether there was an answer, or the client gave up; a history may be checked before."""
        return self.answered < inf

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


@dataclass(frozen=True, slots=True)
class Loss:
    """A failover: what an answer said may have been undone by it, if the answer came since then."""

    since: float
    """All that had been answered by then was kept."""
    settled: float
    """Whoever calls from here on is told what one engine has, and keeps."""
    strikes: Callable[[str], bool] = lambda _: True
    """Whether it concerns a user."""

    def covers(self, call: Call) -> bool:
        """Whether what this call was told may not be true any more."""
        meanwhile = call.answered > self.since and call.began < self.settled
        return meanwhile and self.strikes(call.user)


class History:
    """Every call of a round, and the stalls of the process that made them."""

    def __init__(self, *, deadline_s: float) -> None:
        """Start with nothing; `deadline_s` is what every call is given."""
        self.calls: list[Call] = []
        self.losses: list[Loss] = []
        self.rpcs = 0
        self._deadline_s = deadline_s
        self._stalls: list[tuple[float, float]] = []
        self._beating: asyncio.Task[None] | None = None
        self._engine_ahead_s = time.time() - time.monotonic()

    def kept(self) -> list[Call]:
        """The calls, those that a loss covers as if they had not been answered."""
        return [_forgotten(c) if any(x.covers(c) for x in self.losses) else c for c in self.calls]

    def longest_unserved_s(self) -> float:
        """The longest time for which a user got nothing but errors, from call to answer."""
        longest, since = 0.0, dict[str, float]()
        for call in sorted(self.calls, key=lambda call: call.answered):
            if fails(call):
                since.setdefault(call.user, call.began)
            elif call.is_over and call.code != "CANCELLED" and call.user in since:
                longest = max(longest, call.answered - since.pop(call.user))
        return longest

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

    def note_stall(self, ended: float, lasted_s: float) -> None:
        """Our own event loop did not run for so long until then."""
        self._stalls.append((ended, lasted_s))

    @asynccontextmanager
    async def heeding_stalls(self) -> AsyncIterator[None]:
        """Note inside when our own event loop does not run: nobody else is to blame for that."""
        if self._beating:
            yield  # a stall is noted once, however many heed it
            return
        self._beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            self._beating.cancel()
            await asyncio.wait([self._beating])
            self._beating = None

    async def _beat(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(_BEAT_S)
            late_s = (after := time.monotonic()) - before - _BEAT_S
            if late_s > _NOTED_S:
                self.note_stall(after, late_s)

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


def _forgotten(call: Call) -> Call:
    unknown: dict[str, Any] = {"outcome": Outcome.UNKNOWN, "code": "UNAVAILABLE", "reason": ""}
    return dataclasses.replace(call, **unknown, answer=Answer(), forgotten=True)


def _take(call: Call, result: object) -> None:
    if not isinstance(result, Refused):
        call.outcome = Outcome.OK
        return
    call.code, call.reason = result.code, result.reason
    unknown = result.code in _UNKNOWN_CODES or result.reason == "INTERNAL"
    call.outcome = Outcome.UNKNOWN if unknown else Outcome.REFUSED


def fails(call: Call) -> bool:
    """Whether a call failed through no fault of its caller, who did not cancel it either."""
    broken = call.outcome is Outcome.UNKNOWN and call.code != "CANCELLED"
    return call.is_over and (broken or call.code == "RESOURCE_EXHAUSTED")


def says_dead(call: Call) -> bool:
    """Whether a call's answer says that the session it is about has ended, expired or is gone."""
    if call.op is Op.REVOKE:
        return call.ok
    shown = any(not seen.live for seen in call.answer.sessions)
    return shown or call.answer.verdict in _DEAD_VERDICTS or call.reason in _DEAD_REASONS
