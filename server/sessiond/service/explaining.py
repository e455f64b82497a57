"""Saying why a session is or is not valid."""

from __future__ import annotations

import dataclasses
from typing import Final

from sessiond.domain.events import Event
from sessiond.domain.explanation import Explanation
from sessiond.domain.session import EndReason, Session, State
from sessiond.service import story
from sessiond.service.judging import Claim, Credential, Judge, Validation
from sessiond.store.explanation import ExplanationStore, Known
from sessiond.store.replies import Found

_LIFETIMES: Final = (EndReason.IDLE, EndReason.ABSOLUTE)


class Explainer:
    """The use case of operators who are asked why. Nothing is changed by asking."""

    def __init__(self, store: ExplanationStore, judge: Judge, *, leeway_ms: int) -> None:
        """Set what is asked.

        Args:
            store: reads the session.
            judge: reads the credential.
            leeway_ms: how far past its expiry a verifier still takes an access token.
        """
        self._store = store
        self._judge = judge
        self._leeway_ms = leeway_ms

    async def explain(self, credential: Credential) -> Explanation:
        """All that is known of the session that a credential names; a forged one names none."""
        claim = self._judge.read(credential, at_any_age=True)
        if isinstance(claim, Validation):
            return Explanation(claim.verdict, story.NOT_OURS)
        known = await self._store.known(claim.session_id)
        event = None if known.session else await self._store.latest_event(claim.session_id)
        told = self._tell(credential, claim, known, event)
        return dataclasses.replace(told, summary=story.of(told, known.now_ms))

    def _tell(
        self, credential: Credential, claim: Claim, known: Known, event: Event | None
    ) -> Explanation:
        session, now_ms = known.session, known.now_ms
        end_reason, end_ms, dead_ms = self._end(session, event)
        dead_ms = dead_ms or known.dead_ms
        judged = self._judge.read(credential)
        if isinstance(judged, Claim):
            judged = self._judge.weigh(claim, Found(now_ms, session) if session else None)
        return Explanation(
            verdict=judged.verdict,
            session_id=claim.session_id,
            session=session,
            end_reason=end_reason,
            end_ms=end_ms,
            ended_by=session.ended_by if session else "",
            access_tokens_dead_ms=dead_ms if dead_ms > now_ms else 0,
            forget_ms=known.forget_ms,
            indexed=known.indexed,
            generation=session.generation if session else 0,
            token_generation=claim.generation,
        )

    def _end(self, session: Session | None, event: Event | None) -> tuple[EndReason, int, int]:
        """Why and when it ended, and when its last access token is surely dead; 0 if unknown."""
        if session:
            expired = session.state is State.EXPIRED
            dead_ms = session.end_ms + self._leeway_ms if expired else 0
            return session.end_reason, session.end_ms, dead_ms
        if event is None or event.reason is EndReason.NONE:
            return EndReason.NONE, 0, 0
        if event.reason in _LIFETIMES:
            return event.reason, event.dead_ms - self._leeway_ms, event.dead_ms
        # An expiry of which no more is known was only noticed when the event was written.
        noticed = event.reason is EndReason.EXPIRED
        return event.reason, 0 if noticed else event.time_ms, event.dead_ms
