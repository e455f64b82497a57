"""Revocation against whatever goes on at the same time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.faults.aged import aged_logins
from tests.faults.backend import (
    ACTIVE,
    ENDED,
    Backend,
    Created,
    Refused,
    attempt,
    end_reason,
    ids_of,
    new_request_id,
    new_user,
)
from tests.faults.behind import Behind
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

AFTER: Final = 3
"""How often each of the racers calls again after the revocation was acknowledged."""
CREATORS: Final = 4
ROOMY: Final = "roomy"
SESSION_ENDED: Final = Refused("FAILED_PRECONDITION", "SESSION_ENDED")


@dataclass
class Span:
    """When a call began and when it had its answer, by this process's clock."""

    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    ended: float = 0.0

    def end(self) -> None:
        self.ended = asyncio.get_running_loop().time()


class Race:
    """One session, and those who use it until it was revoked and a little longer."""

    def __init__(self, tally: Tally, backend: Backend, login: Created) -> None:
        self._tally = tally
        self._backend = backend
        self._session_id = login.session.session_id
        self._old = login.tokens.refresh_token
        self._latest = self._old
        self._access = login.tokens.access_token
        self._revoked = asyncio.Event()
        self._answers = 0
        self._warm = asyncio.Event()

    async def run(self, seed: int) -> None:
        """Race, with one revocation somewhere in it; by session id, by old token or by latest."""
        racers = [self._refresh, self._refresh, self._refresh, self._extend]
        racers += [self._validate_access_token, self._validate_session_id]
        tasks = [asyncio.create_task(self._repeat(racer)) for racer in racers]
        await self._warm.wait()
        # Anywhere between the racers' calls: a few turns of the event loop on.
        for _ in range(random.Random(seed).randrange(30)):
            await asyncio.sleep(0)
        match seed % 3:
            case 0:
                ended = await self._backend.revoke(session_id=self._session_id)
            case 1:
                ended = await self._backend.revoke(refresh_token=self._old)
            case _:
                ended = await self._backend.revoke(refresh_token=self._latest)
        self._revoked.set()
        self._tally.equal(end_reason(ended), "LOGOUT", "the revocation's answer")
        await asyncio.gather(*tasks)

    async def _repeat(self, racer: Callable[[], Awaitable[bool]]) -> None:
        after = 0
        while after < AFTER:
            late = self._revoked.is_set()
            worked = await racer()
            after += late
            self._tally.check(
                not (late and worked), f"{racer.__name__} worked after the revocation"
            )
            self._answers += 1
            if self._answers == 2 * AFTER:
                self._warm.set()

    async def _refresh(self) -> bool:
        answer = await attempt(self._backend.refresh(self._latest))
        if isinstance(answer, Refused):
            self._tally.equal(answer, SESSION_ENDED, "refresh")
            return False
        self._latest = answer.tokens.refresh_token
        self._access = answer.tokens.access_token
        return True

    async def _extend(self) -> bool:
        answer = await attempt(self._backend.extend(self._session_id))
        if isinstance(answer, Refused):
            self._tally.equal(answer, SESSION_ENDED, "extend")
            return False
        return True

    async def _validate_access_token(self) -> bool:
        verdict = await self._backend.validate(access_token=self._access)
        self._tally.check(verdict in ("ACTIVE", "ENDED"), f"verdict {verdict}")
        return verdict == "ACTIVE"

    async def _validate_session_id(self) -> bool:
        verdict = await self._backend.validate(session_id=self._session_id)
        self._tally.check(verdict in ("ACTIVE", "ENDED"), f"verdict {verdict}")
        return verdict == "ACTIVE"


async def test_a_revoked_session_never_comes_back(
    tally: Tally, backend: Backend, behind: Behind
) -> None:
    """No refresh, extension or validation that begins after the answer to a revocation works."""
    async with aclosing(aged_logins(backend, behind, tally.rounds)) as logins:
        number = 0
        async for login in logins:
            number += 1
            await Race(tally, backend, login).run(number)
            ended = await backend.sessions(login.session.user_id)
            tally.equal([s.state for s in ended], [ENDED], "states in the end")
            tally.equal([end_reason(s) for s in ended], ["LOGOUT"], "end reasons")
            tally.played()
    await behind.walk(tally)
    tally.conclude(backend.calls)


async def test_revoke_all_ends_what_was_there_and_nothing_after(
    tally: Tally, backend: Backend, behind: Behind
) -> None:
    """What was created before it began is ended, what was after its answer lives, and its answer
    names exactly those that it ended. Two at once share the sessions between them.
    """
    for number in range(tally.rounds):
        user = new_user()
        creating = Creating(backend, user)
        creators = [asyncio.create_task(creating.repeat()) for _ in range(CREATORS)]
        await creating.warm.wait()
        revoking = [Span() for _ in range(1 + number % 2)]
        answers = await asyncio.gather(*(_revoke_all(backend, user, span) for span in revoking))
        creating.stop.set()
        await asyncio.gather(*creators)
        named = [session_id for answer in answers for session_id in answer]
        tally.equal(len(set(named)), len(named), "sessions named once")

        by_state = {
            state: {s.session_id: s for s in await backend.sessions(user, [state])}
            for state in (ACTIVE, ENDED)
        }
        live, ended = by_state[ACTIVE], by_state[ENDED]
        tally.equal(set(ended), set(named), "ended sessions")
        tally.equal(len(live) + len(ended), len(creating.spans), "sessions")
        first, last = min(s.began for s in revoking), max(s.ended for s in revoking)
        for session_id, span in creating.spans.items():
            if span.ended < first:
                tally.check(session_id in ended, "a session from before is not ended")
            if span.began > last:
                tally.check(session_id in live, "a session from after is not live")
        ends = {s.end_time.ToMilliseconds() for s in ended.values()}
        tally.check(1 <= len(ends) <= len(revoking), f"they ended at {sorted(ends)}")
        created = [s.create_time.ToMilliseconds() for s in live.values()]
        tally.check(min(created) >= min(ends), "a session older than the revocation lives")
        tally.played()
    await behind.walk(tally)
    tally.conclude(backend.calls)


async def _revoke_all(backend: Backend, user: str, span: Span) -> list[str]:
    ids = await backend.revoke_all(user, new_request_id())
    span.end()
    return ids


class Creating:
    """Logins of one user, one after the other and several at a time, until told to stop."""

    def __init__(self, backend: Backend, user: str) -> None:
        self.spans: dict[str, Span] = {}
        self.warm = asyncio.Event()
        self.stop = asyncio.Event()
        self._backend = backend
        self._user = user

    async def repeat(self) -> None:
        after = 0
        while after < AFTER:
            after += self.stop.is_set()
            span = Span()
            created = await self._backend.create(self._user, profile=ROOMY)
            span.end()
            self.spans[created.session.session_id] = span
            if len(self.spans) == 2 * CREATORS:
                self.warm.set()


async def test_revoking_one_by_one_and_all_at_once_end_each_session_once(
    tally: Tally, backend: Backend, behind: Behind
) -> None:
    """Whoever is first ends a session; the other finds it ended, and its reason stays."""
    for _ in range(tally.rounds):
        user = new_user()
        logins = await asyncio.gather(*(backend.create(user) for _ in range(8)))
        ids = ids_of(login.session for login in logins)
        named, single = await asyncio.gather(
            backend.revoke_all(user, new_request_id()),
            asyncio.gather(*(backend.revoke(session_id=session_id) for session_id in ids)),
        )
        ended = {s.session_id: end_reason(s) for s in await backend.sessions(user)}
        tally.equal(set(ended), set(ids), "sessions")
        for session in single:
            expected = "REVOKED" if session.session_id in named else "LOGOUT"
            tally.equal(end_reason(session), expected, "reason in the answer")
            tally.equal(ended[session.session_id], expected, "reason")
        tally.played()
    await behind.walk(tally)
    tally.conclude(backend.calls)
