"""Replies that are lost after the work was done: the engine's to the server, the server's to us."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

import pytest

from sessiond.store import loader
from tests.faults.aged import aged_logins
from tests.faults.backend import (
    ACTIVE,
    ENDED,
    Backend,
    Outcome,
    Refused,
    answered,
    attempt,
    end_reason,
    ids_of,
    new_request_id,
    new_user,
)
from tests.faults.behind import Behind
from tests.faults.conftest import Frail
from tests.faults.proxy import EXECUTED, Fault, GrpcWatch, Proxy
from tests.faults.sessiond import Sessiond
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

CAP: Final = 3
"""Of the frail server."""
SENT: Final = 3
"""How often a server sends an idempotent script at most, before it gives up."""
USERS: Final = 6
STEPS: Final = 6
UNAVAILABLE: Final = Refused("UNAVAILABLE", "STORE_UNAVAILABLE")


def _strike(proxy: Proxy, seed: int, script: str, faults: tuple[Fault, ...] = tuple(Fault)) -> None:
    """Lose the replies of a script, sometimes so often that the server's own retries fail too."""
    chosen = random.Random(seed)
    proxy.delay_s = chosen.choice((0.05, 0.4))
    # The first round of each fault is one that the client gets to see.
    times = SENT if seed < len(faults) else chosen.randint(1, SENT + 1)
    proxy.lose(faults[seed % len(faults)], times, loader.load(script).sha.encode())


async def test_a_create_whose_reply_the_engine_lost_is_made_once(
    tally: Tally, frail: Frail
) -> None:
    """At the cap: retried by server and client, it makes one session and evicts one."""
    backend, proxy = frail.backend, frail.proxy
    for number in range(tally.rounds):
        user, request_id = new_user(), new_request_id()
        first = [(await backend.create(user)).session.session_id for _ in range(CAP)]
        _strike(proxy, number, "create")
        made = await answered(backend.create, user, request_id)
        again = await answered(backend.create, user, request_id)
        tally.equal(made.session.session_id, again.session.session_id, "the same session")
        tally.equal(made.tokens.refresh_token, again.tokens.refresh_token, "the same token")
        tally.equal(ids_of(made.evicted_sessions), first[:1], "evicted")
        live = ids_of(await backend.sessions(user, [ACTIVE]))
        tally.equal(live, [made.session.session_id, *reversed(first[1:])], "live")
        tally.equal(ids_of(await backend.sessions(user, [ENDED])), first[:1], "ended")
        tally.played()
    await _conclude(tally, frail)


async def test_a_refresh_whose_reply_the_engine_lost_rotates_once(
    tally: Tally, frail: Frail
) -> None:
    """Rotation is strict: only the request id tells the retry from a stolen token."""
    backend, proxy = frail.backend, frail.proxy
    for number in range(tally.rounds):
        login = await backend.create(new_user())
        old, request_id = login.tokens.refresh_token, new_request_id()
        _strike(proxy, number, "refresh")
        given = await answered(backend.refresh, old, request_id)
        again = await answered(backend.refresh, old, request_id)
        new = given.tokens.refresh_token
        tally.equal(again.tokens.refresh_token, new, "the token of a retry")
        tally.equal(again.outcome, Outcome.OUTCOME_REPLAYED, "the outcome of a retry")
        await _is_current(tally, backend, old, new)
        tally.equal(
            ids_of(await backend.sessions(login.session.user_id)), [login.session.session_id], "one"
        )
        tally.played()
    await _conclude(tally, frail)


async def test_a_revoke_all_whose_reply_the_engine_lost_spares_a_later_login(
    tally: Tally, frail: Frail
) -> None:
    """The engine has ended two sessions and nobody knows: a login comes, and then the retry."""
    backend, proxy = frail.backend, frail.proxy
    for number in range(tally.rounds):
        user, request_id = new_user(), new_request_id()
        there = [(await backend.create(user)).session.session_id for _ in range(2)]
        _strike(proxy, number, "revoke_user", EXECUTED)
        first = await attempt(backend.revoke_all(user, request_id))
        login = await backend.create(user)
        ended = await answered(backend.revoke_all, user, request_id)
        tally.equal(sorted(ended), sorted(there), "ended")
        if isinstance(first, Refused):
            tally.equal(first, UNAVAILABLE, "the first attempt")
        else:
            tally.equal(first, ended, "the first attempt")
        live = ids_of(await backend.sessions(user, [ACTIVE]))
        tally.equal(live, [login.session.session_id], "live")
        tally.equal(set(ids_of(await backend.sessions(user, [ENDED]))), set(there), "ended")
        tally.played()
    await _conclude(tally, frail)


async def test_a_revoke_whose_reply_the_engine_lost_ends_the_session_once(
    tally: Tally, frail: Frail
) -> None:
    """The retry finds it ended: reason and time are those of the first."""
    backend, proxy = frail.backend, frail.proxy
    for number in range(tally.rounds):
        login = await backend.create(new_user())
        session_id = login.session.session_id
        _strike(proxy, number, "revoke", EXECUTED)
        await attempt(backend.revoke(session_id=session_id))
        found = await backend.get(session_id)
        tally.equal(end_reason(found), "LOGOUT", "reason after the first attempt")
        revoked = await answered(backend.revoke, "REVOKED", session_id=session_id)
        tally.equal(revoked, found, "the session as it ended")
        refused = await attempt(backend.refresh(login.tokens.refresh_token))
        tally.equal(refused, Refused("FAILED_PRECONDITION", "SESSION_ENDED"), "a refresh")
        tally.played()
    await _conclude(tally, frail)


async def test_a_script_without_request_id_is_sent_to_the_engine_once(
    tally: Tally, frail: Frail
) -> None:
    """Nobody but the caller may repeat it: the server says UNAVAILABLE, and it ran once."""
    backend, proxy = frail.backend, frail.proxy
    for number in range(tally.rounds):
        user = new_user()
        fault = (Fault.CUT, Fault.DROP)[number % 2]
        proxy.lose(fault, 1, loader.load("create").sha.encode())
        tally.equal(await attempt(backend.create(user)), UNAVAILABLE, "a create")
        tally.equal(len(await backend.sessions(user)), 1, "sessions")

        login = await backend.create(user)
        proxy.lose(fault, 1, loader.load("refresh").sha.encode())
        old = login.tokens.refresh_token
        tally.equal(await attempt(backend.refresh(old)), UNAVAILABLE, "a refresh")
        session = await backend.get(login.session.session_id)
        tally.equal(session.state, ACTIVE, "state after it")
        tally.equal(await backend.validate(refresh_token=old), "TOKEN_INVALID", "the old token")

        there = set(ids_of(await backend.sessions(user, [ACTIVE])))
        proxy.lose(fault, 1, loader.load("revoke_user").sha.encode())
        tally.equal(await attempt(backend.revoke_all(user)), UNAVAILABLE, "a revoke-all")
        tally.equal(set(ids_of(await backend.sessions(user, [ENDED]))), there, "ended")
        tally.played()
    await _conclude(tally, frail)


async def test_users_who_retry_through_random_faults_get_what_they_asked_for(
    tally: Tally, frail: Frail
) -> None:
    """Several at once log in, refresh and log out everywhere while connections end at random."""
    backend, proxy = frail.backend, frail.proxy
    chances = random.Random(0)
    proxy.delay_s = 0.02
    kinds = (Fault.CUT, Fault.CUT, Fault.REFUSE, Fault.DELAY)
    for number in range(tally.rounds):
        proxy.decide = lambda _: chances.choice(kinds) if chances.random() < 0.2 else None
        await asyncio.gather(*(_a_users_day(tally, backend, number, i) for i in range(USERS)))
    tally.played(tally.rounds)
    await _conclude(tally, frail)


async def _a_users_day(tally: Tally, backend: Backend, number: int, place: int) -> None:
    """A user who does one thing after the other, retries what fails, and knows what to expect."""
    choices = random.Random(number * USERS + place)
    user = new_user()
    tokens: dict[str, str] = {}
    for _ in range(STEPS):
        request_id = new_request_id()
        action = choices.choice(("login", "login", "refresh", "refresh", "leave"))
        if action == "refresh" and tokens:
            session_id, old = choices.choice(list(tokens.items()))
            given = await answered(backend.refresh, old, request_id)
            tally.equal(given.session.session_id, session_id, "the refreshed session")
            tally.check(given.tokens.refresh_token != old, "strict rotation gave the old token")
            tokens[session_id] = given.tokens.refresh_token
        elif action == "leave":
            ended = await answered(backend.revoke_all, user, request_id)
            tally.equal(sorted(ended), sorted(tokens), "ended")
            tokens.clear()
        else:
            made = await answered(backend.create, user, request_id)
            evicted = ids_of(made.evicted_sessions)
            tally.equal(evicted, list(tokens)[:1] if len(tokens) == CAP else [], "evicted")
            for session_id in evicted:
                tokens.pop(session_id, None)
            tokens[made.session.session_id] = made.tokens.refresh_token
    live = ids_of(await answered(backend.sessions, user, [ACTIVE]))
    tally.equal(live, list(reversed(tokens)), "live in the end")
    for token in tokens.values():
        verdict = await answered(backend.validate, refresh_token=token)
        tally.equal(verdict, "ACTIVE", "the last token given")


async def _is_current(tally: Tally, backend: Backend, old: str, new: str) -> None:
    """The new token is the current one: with strict rotation nothing else is taken for it."""
    tally.equal(await backend.validate(refresh_token=new), "ACTIVE", "the new token")
    tally.equal(await backend.validate(refresh_token=old), "TOKEN_INVALID", "the old token")
    third = await backend.refresh(new, new_request_id())
    tally.equal(third.outcome, Outcome.OUTCOME_ROTATED, "the outcome of a third refresh")
    tally.check(third.tokens.refresh_token not in (old, new), "a third refresh gave no new token")


async def _conclude(tally: Tally, frail: Frail) -> None:
    tally.check(frail.proxy.struck >= tally.rounds, f"only {frail.proxy.struck} faults struck")
    await frail.behind.walk(tally)
    tally.conclude(frail.backend.calls)


@pytest.fixture
async def line(server: Sessiond) -> AsyncIterator[tuple[Proxy, Backend]]:
    """A faulty line to the server, and a backend that has no other."""
    async with (
        Proxy.before_tcp(server.address, GrpcWatch) as proxy,
        Backend(proxy.address, server.token, channels=1) as far,
    ):
        yield proxy, far


LINE_FAULTS: Final = (Fault.CUT, Fault.REFUSE)


async def test_a_create_whose_answer_never_reached_the_client_is_made_once(
    tally: Tally, backend: Backend, behind: Behind, line: tuple[Proxy, Backend]
) -> None:
    """The connection ended between the work and the answer; the retry gets the answer."""
    proxy, far = line
    for number in range(tally.rounds):
        user, request_id = new_user(), new_request_id()
        before = (await far.create(user)).session.session_id
        proxy.lose(LINE_FAULTS[number % 2], 1 + number % 3)
        made = await answered(far.create, user, request_id)
        again = await backend.create(user, request_id)
        tally.equal(again.session.session_id, made.session.session_id, "the same session")
        tally.equal(again.tokens.refresh_token, made.tokens.refresh_token, "the same token")
        live = ids_of(await backend.sessions(user))
        tally.equal(live, [made.session.session_id, before], "sessions")
        tally.played()
    await _conclude_line(tally, behind, proxy, backend.calls + far.calls)


async def test_a_refresh_whose_answer_never_reached_the_client_rotates_once(
    tally: Tally, backend: Backend, behind: Behind, line: tuple[Proxy, Backend]
) -> None:
    """With a request id or, within the grace time, without one: the retry gets the same token."""
    proxy, far = line
    number = 0
    async with aclosing(aged_logins(backend, behind, tally.rounds)) as logins:
        async for login in logins:
            old = login.tokens.refresh_token
            request_id = new_request_id() if number % 4 < 2 else ""
            proxy.lose(Fault.CUT, 1 + number % 2)
            given = await answered(far.refresh, old, request_id)
            tally.equal(given.outcome, Outcome.OUTCOME_REPLAYED, "the outcome of the retry")
            third = await backend.refresh(given.tokens.refresh_token)
            tally.equal(third.outcome, Outcome.OUTCOME_CURRENT, "the outcome of a third refresh")
            tally.equal(third.tokens.refresh_token, given.tokens.refresh_token, "its token")
            tally.check(third.tokens.refresh_token != old, "the token was not rotated")
            number += 1
            tally.played()
    await _conclude_line(tally, behind, proxy, backend.calls + far.calls)


async def test_a_revoke_all_whose_answer_never_reached_the_client_spares_a_later_login(
    tally: Tally, backend: Backend, behind: Behind, line: tuple[Proxy, Backend]
) -> None:
    """The sessions are ended and the client does not know: a login comes, and then the retry."""
    proxy, far = line
    for number in range(tally.rounds):
        user, request_id = new_user(), new_request_id()
        there = [(await far.create(user)).session.session_id for _ in range(3)]
        proxy.lose(Fault.CUT, 1 + number % 2)
        lost = await attempt(far.revoke_all(user, request_id))
        tally.equal(lost, Refused("UNAVAILABLE"), "the first attempt")
        login = await backend.create(user)
        ended = await answered(far.revoke_all, user, request_id)
        tally.equal(sorted(ended), sorted(there), "ended")
        live = ids_of(await backend.sessions(user, [ACTIVE]))
        tally.equal(live, [login.session.session_id], "live")
        tally.played()
    await _conclude_line(tally, behind, proxy, backend.calls + far.calls)


async def _conclude_line(tally: Tally, behind: Behind, proxy: Proxy, calls: int) -> None:
    tally.check(proxy.struck >= tally.rounds, f"only {proxy.struck} faults struck")
    await behind.walk(tally)
    tally.conclude(calls)
