"""Concurrent refreshes with one token."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing
from typing import Final

import pytest

from tests.faults.aged import aged_logins, ages
from tests.faults.backend import (
    ACTIVE,
    Backend,
    Outcome,
    Refused,
    attempt,
    end_reason,
    ids_of,
    new_request_id,
)
from tests.faults.behind import Behind
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

AT_ONCE: Final = 16


async def test_sixteen_refreshes_with_one_token_rotate_it_once(
    tally: Tally, backend: Backend, behind: Behind
) -> None:
    """One of them rotates; all get the very same new token, of the same one session."""
    async with aclosing(aged_logins(backend, behind, tally.rounds)) as logins:
        number = 0
        async for login in logins:
            old, session = login.tokens.refresh_token, login.session
            number += 1
            answers = await asyncio.gather(
                *(
                    backend.refresh(old, new_request_id() if number % 2 else "")
                    for _ in range(AT_ONCE)
                )
            )
            outcomes = Counter(Outcome.Name(answer.outcome) for answer in answers)
            expected = {"OUTCOME_ROTATED": 1, "OUTCOME_REPLAYED": AT_ONCE - 1}
            tally.equal(dict(outcomes), expected, "outcomes")
            new = {answer.tokens.refresh_token for answer in answers}
            tally.equal(len(new - {old}), 1, "new refresh tokens")
            tally.equal(len(new), 1, "refresh tokens")
            tally.equal({a.session.session_id for a in answers}, {session.session_id}, "session")
            live = await backend.sessions(session.user_id)
            tally.equal(ids_of(live), [session.session_id], "sessions of the user")
            for verdict in await asyncio.gather(
                backend.validate(refresh_token=new.pop()),
                *(backend.validate(access_token=a.tokens.access_token) for a in answers[:2]),
            ):
                tally.equal(verdict, "ACTIVE", "verdict")
            tally.played()
    await behind.walk(tally)
    tally.conclude(backend.calls)


async def test_a_superseded_token_that_sixteen_present_ends_the_session_once(
    tally: Tally, backend: Backend, behind: Behind
) -> None:
    """After the grace time all are told of the reuse, and nobody is given tokens."""
    async with aclosing(aged_logins(backend, behind, tally.rounds)) as logins:
        rotated = [
            (login, await backend.refresh(login.tokens.refresh_token)) async for login in logins
        ]
    await ages(behind, *(refreshed.session for _, refreshed in rotated))
    for login, refreshed in rotated:
        old, session_id = login.tokens.refresh_token, login.session.session_id
        answers = await asyncio.gather(
            *(attempt(backend.refresh(old)) for _ in range(AT_ONCE)),
            attempt(backend.refresh(refreshed.tokens.refresh_token)),
        )
        reasons = Counter(a.reason if isinstance(a, Refused) else "GIVEN" for a in answers[:-1])
        expected = {"REFRESH_TOKEN_REUSED": AT_ONCE}
        tally.equal(dict(reasons), expected, "answers")
        after = await attempt(backend.refresh(refreshed.tokens.refresh_token))
        tally.equal(after, Refused("FAILED_PRECONDITION", "SESSION_ENDED"), "the newest token")
        tally.equal(end_reason(await backend.get(session_id)), "TOKEN_REUSED", "end reason")
        tally.equal(await backend.sessions(login.session.user_id, [ACTIVE]), [], "live sessions")
        tally.played()
    await behind.walk(tally)
    tally.conclude(backend.calls)
