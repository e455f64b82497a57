"""One request, sent more than once with one request id."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final

import pytest

from tests.faults.backend import (
    ACTIVE,
    Backend,
    Refused,
    attempt,
    ids_of,
    new_request_id,
    new_user,
)
from tests.faults.behind import Behind
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

AT_ONCE: Final = 8
CAP: Final = 10


async def test_a_create_retried_with_one_request_id_makes_one_session(
    tally: Tally, backend: Backend, behind: Behind
) -> None:
    """At the cap: all attempts, of which some are given up, get one session, and one is evicted."""
    for number in range(tally.rounds):
        user, request_id = new_user(), new_request_id()
        first = [(await backend.create(user)).session.session_id for _ in range(CAP)]
        await _given_up(backend.create(user, request_id), number)
        answers = await asyncio.gather(*(backend.create(user, request_id) for _ in range(AT_ONCE)))
        answers.append(await backend.create(user, request_id))
        made = {answer.session.session_id for answer in answers}
        tally.equal(len(made - set(first)), 1, "new sessions")
        tally.equal(len(made), 1, "sessions in the answers")
        tokens = {answer.tokens.refresh_token for answer in answers}
        tally.equal(len(tokens), 1, "refresh tokens")
        for answer in answers:
            tally.equal(ids_of(answer.evicted_sessions), first[:1], "evicted")
        live = ids_of(await backend.sessions(user, [ACTIVE]))
        tally.equal(live, [*made, *reversed(first[1:])], "live sessions")

        # Once the session has moved on, a late retry neither revives nor replaces it.
        await backend.revoke(session_id=answers[0].session.session_id)
        late = await attempt(backend.create(user, request_id))
        tally.equal(late, Refused("FAILED_PRECONDITION", "REPLAY_SUPERSEDED"), "a late retry")
        live = ids_of(await backend.sessions(user, [ACTIVE]))
        tally.equal(live, first[:0:-1], "live sessions after it")
        tally.played()
    await behind.walk(tally)
    tally.conclude(backend.calls)


async def test_a_revoke_all_retried_with_one_request_id_spares_a_later_login(
    tally: Tally, backend: Backend, behind: Behind
) -> None:
    """All attempts name the same sessions; one that comes after a login does not end it."""
    for number in range(tally.rounds):
        user, request_id = new_user(), new_request_id()
        logins = await asyncio.gather(*(backend.create(user) for _ in range(5)))
        there = set(ids_of(login.session for login in logins))
        await _given_up(backend.revoke_all(user, request_id), number)
        answers = await asyncio.gather(
            *(backend.revoke_all(user, request_id) for _ in range(AT_ONCE))
        )
        for answer in answers:
            tally.equal(sorted(answer), sorted(there), "ended")
        # A login while late retries still arrive, and retries after it.
        login, late = await asyncio.gather(
            backend.create(user),
            asyncio.gather(*(backend.revoke_all(user, request_id) for _ in range(AT_ONCE))),
        )
        late.append(await backend.revoke_all(user, request_id))
        for answer in late:
            tally.equal(sorted(answer), sorted(there), "named by a late retry")
        live = ids_of(await backend.sessions(user, [ACTIVE]))
        tally.equal(live, [login.session.session_id], "live sessions")
        tally.played()
    await behind.walk(tally)
    tally.conclude(backend.calls)


async def test_two_requests_with_one_request_id_are_told_apart(
    tally: Tally, backend: Backend, behind: Behind
) -> None:
    """Of two different creates at once under one id one is made, and the other refused."""
    for _ in range(tally.rounds):
        user, request_id = new_user(), new_request_id()
        answers = await asyncio.gather(
            *(
                attempt(backend.create(user, request_id, attributes={"n": str(number % 2)}))
                for number in range(AT_ONCE)
            )
        )
        made = {a.session.session_id for a in answers if not isinstance(a, Refused)}
        refused = [a for a in answers if isinstance(a, Refused)]
        tally.equal(len(made), 1, "sessions in the answers")
        expected = [Refused("FAILED_PRECONDITION", "REQUEST_ID_REUSED")] * (AT_ONCE // 2)
        tally.equal(refused, expected, "refusals")
        tally.equal(ids_of(await backend.sessions(user)), list(made), "sessions")
        # The same id, of another user, is another request.
        other = await backend.create(new_user(), request_id)
        tally.check(other.session.session_id not in made, "another user's session was given")
        tally.played()
    await behind.walk(tally)
    tally.conclude(backend.calls)


async def _given_up(call: Awaitable[Any], seed: int) -> None:
    """Send a call and cancel it: anywhere between before it was sent and after it was answered."""
    task = asyncio.ensure_future(call)
    await asyncio.wait([task], timeout=random.Random(seed).uniform(0, 0.006))
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
