"""Endings that are said again: which ones are remembered, and when they are said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sessiond.domain.errors import StoreUnavailableError
from sessiond.domain.session import EndReason
from sessiond.service.reassertion import WINDOW_S, Reassertion, ReassertionFigures
from sessiond.store.scripts import Store
from tests.store.inside import until

A = frozenset({"a"})
B = frozenset({"b"})


@dataclass
class FakeStore:
    """Ends sessions, once it is there."""

    live: set[str] = field(default_factory=set)
    ended: list[tuple[str, EndReason, str]] = field(default_factory=list)
    away: int = 0
    """How many calls find nobody there."""
    broken: set[str] = field(default_factory=set)
    """Sessions by which a call meets a fault."""
    unserved: set[str] = field(default_factory=set)
    """Sessions whose part of the store is not to be had."""
    stuck: set[str] = field(default_factory=set)
    """Sessions of which nothing is heard."""

    async def revoke(self, session_id: str, reason: EndReason, caller: str) -> Any:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise StoreUnavailableError("not now")
        if session_id in self.broken:
            raise RuntimeError("a fault")
        if session_id in self.unserved:
            raise StoreUnavailableError("not here")
        if session_id in self.stuck:
            await asyncio.Event().wait()
        self.ended.append((session_id, reason, caller))
        was_live = session_id in self.live
        self.live.discard(session_id)
        return SimpleNamespace(by_this_call=was_live)


class Clock:
    """Goes when it is told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Stage:
    """A server's memory, and what it speaks to."""

    store: FakeStore
    clock: Clock
    reassertion: Reassertion

    def remember(self, *session_ids: str) -> None:
        self.reassertion.remember(session_ids, EndReason.LOGOUT, "app")

    async def said(self) -> list[str]:
        """Fail over, and what is said then, in order."""
        before = self.reassertion.figures
        self.reassertion.notice(A)
        self.reassertion.notice(B)

        async def all_was_said() -> bool:
            await asyncio.sleep(0)
            return self.reassertion.figures.reasserted > before.reasserted

        await until(all_was_said)
        return [session_id for session_id, _, _ in self.store.ended]


@asynccontextmanager
async def _running() -> AsyncIterator[Stage]:
    store, clock = FakeStore(), Clock()
    stage = Stage(store, clock, Reassertion(cast(Store, store), clock=clock))
    task = asyncio.create_task(stage.reassertion.run())
    yield stage
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A server that runs."""
    async with _running() as running:
        yield running


async def test_the_latest_is_said_first(stage: Stage) -> None:
    """It is the one that is most likely lost; and each as it was acknowledged."""
    stage.remember("1", "2")
    stage.reassertion.remember(("3",), EndReason.TOKEN_REUSED, "")
    stage.store.live = {"2"}
    assert await stage.said() == ["3", "2", "1"]
    assert stage.store.ended[0] == ("3", EndReason.TOKEN_REUSED, "")
    assert stage.reassertion.figures == ReassertionFigures(1, 3, 1)


async def test_what_is_over_a_minute_older_than_the_latest_is_forgotten(stage: Stage) -> None:
    """Counted from when it was last acknowledged."""
    stage.remember("old", "again")
    stage.clock.now_s += WINDOW_S - 1
    stage.remember("again", "young")
    stage.clock.now_s += 2
    stage.remember("latest")
    assert await stage.said() == ["latest", "young", "again"]


async def test_an_outage_makes_nothing_older(stage: Stage) -> None:
    """Nothing was acknowledged meanwhile, so the last minute is the one before it."""
    stage.remember("last")
    stage.clock.now_s += 3600
    assert await stage.said() == ["last"]


async def test_memory_is_bounded(stage: Stage) -> None:
    """The oldest make room."""
    stage.remember(*map(str, range(60_000)))
    said = await stage.said()
    assert len(said) == 50_000
    assert said[0] == "59999"
    assert said[-1] == "10000"


async def test_it_is_said_until_it_was_heard(stage: Stage) -> None:
    """A store that is away again at once, as a primary is that hardly became one."""
    stage.remember("1", "2", "3")
    stage.store.away = 4
    assert sorted(await stage.said()) == ["1", "2", "3"]


async def test_a_part_that_is_away_keeps_no_other_waiting(stage: Stage) -> None:
    """However many endings it is owed, and whether it refuses them or does not answer."""
    stage.remember("1", "2")
    away = {str(number) for number in range(3, 1003)}
    stage.remember(*away, "slow")
    stage.store.unserved, stage.store.stuck = away, {"slow"}
    stage.reassertion.notice(A)
    stage.reassertion.notice(B)

    async def the_others_were_said() -> bool:
        await asyncio.sleep(0.01)
        return [said for said, _, _ in stage.store.ended] == ["2", "1"]

    await until(the_others_were_said)
    assert not stage.reassertion.figures.reasserted
    stage.store.unserved, stage.store.stuck = set(), set()

    async def all_was_said() -> bool:
        await asyncio.sleep(0.01)
        return stage.reassertion.figures.reasserted == 1003

    await until(all_was_said)


async def test_a_failover_while_endings_are_said_is_heard_of(stage: Stage) -> None:
    """All is said to that store too, though a part of it has not come back since the first."""
    stage.remember("1", "away")
    stage.store.unserved = {"away"}
    for history in (A, B):
        stage.reassertion.notice(history)

    async def said_times(number: int) -> bool:
        await asyncio.sleep(0.01)
        return [said for said, _, _ in stage.store.ended] == ["1"] * number

    await until(lambda: said_times(1))
    stage.reassertion.notice(frozenset({"c"}))
    await until(lambda: said_times(2))


async def test_a_fault_keeps_nothing_else_from_being_said(stage: Stage) -> None:
    """Nor is it met again and again."""
    stage.remember("1", "2", "3")
    stage.store.broken = {"2"}
    assert await stage.said() == ["3", "1"]


async def test_only_a_new_history_is_a_failover(stage: Stage) -> None:
    """Not the first one, nor one that was out of reach for a while, nor the same again."""
    stage.remember("1")
    for histories in (A, A | B, A, B, A | B):
        stage.reassertion.notice(histories)
    assert stage.reassertion.figures.failovers == 1  # B was new once
    stage.reassertion.notice(frozenset({"c"}))
    assert stage.reassertion.figures.failovers == 2
