"""Concurrent logins of one user at the cap."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from sessiond.domain.session import State
from tests.faults.backend import (
    ACTIVE,
    ENDED,
    Backend,
    Created,
    end_reason,
    ids_of,
    new_request_id,
    new_user,
)
from tests.faults.behind import Behind
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

CAP: Final = 10
CREATES: Final = 50
OBSERVERS: Final = 3


async def test_fifty_concurrent_creates_never_leave_more_than_ten_live(
    tally: Tally, backend: Backend, behind: Behind
) -> None:
    """At no observation are there more than ten, and those evicted are the oldest, in order."""
    for number in range(tally.rounds):
        user = new_user()
        observing = Observing(backend, behind, user)
        observers = [
            asyncio.create_task(observing.repeat(look))
            for look in (observing.through_the_api, observing.at_the_engine)
            for _ in range(OBSERVERS)
        ]
        created = await asyncio.gather(
            # A request id in every other round: with it the script writes one more key.
            *(backend.create(user, new_request_id() if number % 2 else "") for _ in range(CREATES))
        )
        observing.done.set()
        await asyncio.gather(*observers)
        tally.check(max(observing.seen) <= CAP, f"{max(observing.seen)} sessions were live at once")
        _answers_are_exact(tally, created)
        await _what_is_left_is_exact(tally, backend, user, created)
        tally.played()
    await behind.walk(tally)
    tally.conclude(backend.calls)


class Observing:
    """How many sessions of a user are live, over and over until the creates are done."""

    def __init__(self, backend: Backend, behind: Behind, user: str) -> None:
        self.seen: list[int] = []
        self.done = asyncio.Event()
        self._backend = backend
        self._behind = behind
        self._user = user

    async def repeat(self, look: Callable[[], Awaitable[int]]) -> None:
        while not self.done.is_set():
            self.seen.append(await look())

    async def through_the_api(self) -> int:
        """As anybody sees it; in line with the creates."""
        return len(await self._backend.sessions(self._user, [ACTIVE]))

    async def at_the_engine(self) -> int:
        """On a connection of its own, between any two scripts of the server."""
        page = await self._behind.store.list(self._user, 2 * CREATES, [State.ACTIVE])
        return len(page.sessions)


def _in_order(created: list[Created]) -> list[Created]:
    return sorted(created, key=lambda answer: answer.session.create_time.ToMicroseconds())


def _answers_are_exact(tally: Tally, created: list[Created]) -> None:
    """In order of creation, each answer past the tenth names the oldest session of its moment."""
    in_order = _in_order(created)
    order = ids_of(answer.session for answer in in_order)
    tally.equal(len(set(order)), CREATES, "sessions")
    times = {answer.session.create_time.ToMicroseconds() for answer in created}
    tally.equal(len(times), CREATES, "creation times")
    for place, answer in enumerate(in_order):
        expected = order[place - CAP : place - CAP + 1] if place >= CAP else []
        tally.equal(ids_of(answer.evicted_sessions), expected, f"evicted by create {place}")
        for evicted in answer.evicted_sessions:
            tally.equal(end_reason(evicted), "EVICTED_BY_CAP", "reason")


async def _what_is_left_is_exact(
    tally: Tally, backend: Backend, user: str, created: list[Created]
) -> None:
    order = ids_of(answer.session for answer in _in_order(created))
    live = ids_of(await backend.sessions(user, [ACTIVE]))
    ended = await backend.sessions(user, [ENDED])
    tally.equal(live, order[: -CAP - 1 : -1], "live, newest first")
    tally.equal(set(ids_of(ended)), set(order[:-CAP]), "ended")
    ends = {session.session_id: session.end_time.ToMilliseconds() for session in ended}
    in_order = [ends.get(session_id, 0) for session_id in order[:-CAP]]
    tally.check(in_order == sorted(in_order), "sessions did not end in the order of creation")
