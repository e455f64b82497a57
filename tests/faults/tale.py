"""A history written by hand: one call after the other, each begun after the answer before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from tests.faults.answers import Answer, Seen
from tests.faults.history import Call, History, Op, Outcome
from tests.faults.rules import RULES

USER: Final = "alice"
DEADLINE_S: Final = 1.0
_LASTS_S: Final = 0.01


class Tale:
    """Tells what happened to the sessions of one user, under `RULES`."""

    def __init__(self) -> None:
        self.history = History(deadline_s=DEADLINE_S)
        self.now = 1_000.0
        """In seconds; a step back lets calls overlap."""
        self.seen: dict[str, Seen] = {}
        """Each session as the next answer shows it."""

    def ms(self) -> int:
        """The engine's clock."""
        return int(self.history.engine_ms(self.now))

    def create(self, session_id: str, *, made_room: Iterable[str] = (), **asked: Any) -> Call:
        """Made, and answered."""
        profile, device = asked.setdefault("profile", "default"), asked.get("device", "")
        if session_id not in self.seen:
            limits, now_ms = RULES.profiles[profile], self.ms()
            self.seen[session_id] = Seen(
                session_id, USER, profile, "ACTIVE", "UNSPECIFIED", device, now_ms * 1000, now_ms,
                now_ms + limits.idle_ms, now_ms + limits.absolute_ms,
            )  # fmt: skip
        answer = Answer(
            (self.seen[session_id],), tuple(self.seen[i] for i in made_room), generation=1, token=1
        )
        return self.ok(Op.CREATE, answer=answer, **asked)

    def end(self, session_id: str, reason: str = "REVOKED") -> None:
        """From here on answers show it as ended."""
        self.seen[session_id] = replace(self.seen[session_id], state="ENDED", end_reason=reason)

    def refresh(
        self, session_id: str, generation: int, rotation: str, *, given: int = 0, token: int = 0,
        **asked: Any,
    ) -> Call:  # fmt: skip
        """Answered; what is given follows from the outcome unless it is said."""
        given = given or generation + (rotation != "CURRENT")
        answer = Answer(
            (self.seen[session_id],), rotation=rotation, generation=given, token=token or given,
            previous_expire_ms=self.seen[session_id].expire_ms,
        )  # fmt: skip
        return self.ok(Op.REFRESH, session_id, answer=answer, generation=generation, **asked)

    def validate(self, session_id: str, verdict: str = "ACTIVE", generation: int = 0) -> Call:
        """Answered, by session id, or by the refresh token of a generation."""
        sessions = (self.seen[session_id],) if verdict == "ACTIVE" else ()
        by = "refresh_token" if generation else "session_id"
        answer = Answer(sessions, verdict=verdict)
        return self.ok(Op.VALIDATE, session_id, answer=answer, by=by, generation=generation)

    def list(self, *session_ids: str) -> Call:
        """Answered with these sessions."""
        return self.ok(Op.LIST, answer=Answer(tuple(self.seen[i] for i in session_ids)))

    def get(self, session_id: str) -> Call:
        """Answered with the session as it is."""
        return self.ok(Op.GET, session_id, answer=Answer((self.seen[session_id],)))

    def revoke(self, session_id: str) -> Call:
        """Answered."""
        self.end(session_id)
        return self.ok(Op.REVOKE, session_id, answer=Answer((self.seen[session_id],)))

    def revoke_all(self, *ended: str, **asked: Any) -> Call:
        """Answered with what ended."""
        return self.ok(Op.REVOKE_ALL, answer=Answer(ended=ended), **asked)

    def ok(self, op: Op, session_id: str = "", *, answer: Answer, **asked: Any) -> Call:
        """Answered with this."""
        call = self._add(op, session_id, **asked)
        call.outcome, call.answer = Outcome.OK, answer
        return call

    def refused(self, op: Op, session_id: str, reason: str, **asked: Any) -> Call:
        """Refused for a reason."""
        call = self._add(op, session_id, **asked)
        call.outcome, call.reason = Outcome.REFUSED, reason
        return call

    def unknown(self, op: Op, session_id: str = "", **asked: Any) -> Call:
        """Cancelled by the client."""
        call = self._add(op, session_id, **asked)
        call.code = "CANCELLED"
        return call

    def _add(self, op: Op, session_id: str, *, lasts_s: float = _LASTS_S, **asked: Any) -> Call:
        call = Call(op, USER, session_id, began=self.now, deadline_s=DEADLINE_S, **asked)
        call.answered = self.now + lasts_s
        self.now = call.answered + _LASTS_S
        self.history.calls.append(call)
        return call
