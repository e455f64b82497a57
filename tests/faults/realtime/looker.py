"""A verifier that is shown the tokens of live and of ended sessions, over and over."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from enum import Enum, auto
from math import inf
from typing import Any, Final

from sessionstore import (
    AsyncLocalVerifier,
    CredentialRefused,
    LocalVerifier,
    SessionEnded,
    Unavailable,
    WhenStale,
)
from tests.client.verifier.conftest import Verifying
from tests.faults.realtime.clients import PATIENCE_S, AskingClient, AsyncAskingClient
from tests.faults.realtime.findings import Findings
from tests.faults.realtime.ledger import Ledger, Session

AUDIENCE: Final = "sessionstore"
MAX_AGE_S: Final = 2.0
ROUNDING_S: Final = 0.002
"""Both times of an age are the engine's in whole milliseconds. Scheduling needs no slack: a look is
dated when it begins, and a revocation when its answer has come."""
_LIVE_AT_ONCE: Final = 4
_ENDED_AT_ONCE: Final = 8


class Look(Enum):
    """What a verifier made of a token."""

    TAKEN = auto()
    ENDED = auto()
    """Its session has ended."""
    REFUSED = auto()
    """It is not good, for another reason."""
    UNKNOWN = auto()
    """The verifier cannot know."""


class Looker:
    """Looks at one verifier, and holds it to what it promises."""

    def __init__(
        self, name: str, verifier: LocalVerifier | AsyncLocalVerifier, findings: Findings
    ) -> None:
        self.name = name
        self.verifying: Final = Verifying(verifier)
        self._findings = findings
        self._ledger = Ledger()
        self._known: set[Session] = set()
        """Sessions that it refuses, and knows by itself to have ended."""

    def open(self, ledger: Ledger) -> None:
        """Look at the sessions of another round."""
        self._ledger = ledger
        self._known.clear()

    async def look_around(self, dice: random.Random) -> None:
        """Show it some live sessions, and some that have ended unknown to it, the first of all."""
        live = self._ledger.live
        ended = [session for session in self._ledger.left if session not in self._known]
        chosen = ended[:1] + _some(live, _LIVE_AT_ONCE, dice) + _some(ended, _ENDED_AT_ONCE, dice)
        for session in chosen:
            await self.look(session)

    async def look(self, session: Session) -> Look:
        """Show it the session's token, and judge what it makes of it."""
        left_s, began_s = session.left_s, time.monotonic()
        age = self.verifying.state.age
        if not self._knows(session):
            self._judge_age(began_s - left_s, age)
        look = await self._shown(session)
        self._findings.looks += 1
        self._findings.unknowing += look is Look.UNKNOWN
        if look is Look.ENDED and self._knows(session):
            self._known.add(session)
        self._judge(session, look, began_s - left_s)
        return look

    def heard(self, token: str, asked_s: float, live: bool) -> None:
        """The service was asked for this verifier."""
        for session in self._ledger.left:
            if live and session.token == token and asked_s > session.left_s:
                self._broken(
                    "the_service_calls_no_ended_session_live",
                    f"{asked_s - session.left_s:.3f} s after {session.id} had ended",
                )

    async def knows_all(self) -> str:
        """What it does not know though it should; empty if nothing."""
        for session in self._ledger.sessions:
            if self.verifying.state.stale:
                return f"it is stale: {self.verifying.state}"
            ended = session.left_s < inf
            if ended and session in self._known:
                continue
            look = await self.look(session)
            if ended and session not in self._known:
                return f"{session.id} has ended, and is {look.name}"
            if not ended and look is not Look.TAKEN:
                return f"{session.id} is live, and {look.name}"
        return ""

    def _knows(self, session: Session) -> bool:
        """Whether it has been told of the session's end: without keys it says so of no token."""
        return self.verifying.verifier._judge.feed.ended.get(session.id) is not None

    async def _shown(self, session: Session) -> Look:
        try:
            await self.verifying.verify(session.token)
        except SessionEnded:
            return Look.ENDED
        except CredentialRefused:
            return Look.REFUSED
        except Unavailable:
            return Look.UNKNOWN
        return Look.TAKEN

    def _judge(self, session: Session, look: Look, late_s: float) -> None:
        if look is Look.TAKEN:
            self._findings.latest_s = max(self._findings.latest_s, late_s)
            if late_s > MAX_AGE_S + ROUNDING_S:
                self._broken(
                    "no_token_is_taken_after_its_bound",
                    f"{session.id} was taken {late_s:.3f} s after its end",
                )
        if look is Look.REFUSED or (look is Look.ENDED and session.leaving_s == inf):
            self._broken("no_live_session_is_refused", f"{session.id} is {look.name}")

    def _judge_age(self, late_s: float, age: timedelta | None) -> None:
        """It lacks an ending of so long ago, which is then its age at least."""
        if age is not None and late_s > age.total_seconds() + ROUNDING_S:
            self._broken(
                "no_age_is_understated",
                f"it said {age.total_seconds():.3f} s, and lacked an end of {late_s:.3f} s before",
            )

    def _broken(self, invariant: str, what: str) -> None:
        self._findings.broken(invariant, f"{self.name}: {what}")


def _some(sessions: list[Session], most: int, dice: random.Random) -> list[Session]:
    return dice.sample(sessions, min(len(sessions), most))


@asynccontextmanager
async def open_looker(
    address: str, token: str, *, threads: bool, when_stale: WhenStale, findings: Findings
) -> AsyncIterator[Looker]:
    """A verifier for threads, or one for asyncio, with a client of its own."""
    reach: dict[str, Any] = {"address": address, "token": token, "timeout": PATIENCE_S}
    max_age = timedelta(seconds=MAX_AGE_S)
    rules: dict[str, Any] = {"audience": AUDIENCE, "max_age": max_age, "when_stale": when_stale}
    client: AskingClient | AsyncAskingClient
    verifier: LocalVerifier | AsyncLocalVerifier
    async with AsyncExitStack() as stack:
        if threads:
            client = stack.enter_context(AskingClient(**reach))
            verifier = LocalVerifier(client, **rules)
        else:
            client = await stack.enter_async_context(AsyncAskingClient(**reach))
            verifier = AsyncLocalVerifier(client, **rules)
        looker = Looker(f"{type(verifier).__name__} {when_stale}", verifier, findings)
        client.heard = looker.heard
        stack.push_async_callback(looker.verifying.close)
        await looker.verifying.start()
        yield looker
