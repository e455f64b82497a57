"""The reader of all logs: what it gives and when, and what it makes of an engine that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from sessiond.domain.errors import CursorTooOldError, LogRewoundError, StoreUnavailableError
from sessiond.store.log_tail import CHECKPOINT_S
from tests.engines import Engine, RealEngine
from tests.rpc.engines import hung
from tests.store.inside import Inside, open_store
from tests.store.kit import ALICE, BOB, PROFILES
from tests.store.logs import Following, following, tail_of, trim, write

SOON_S = 0.5
"""Beside a checkpoint's second."""


@pytest.fixture
async def tail(engine: Engine, inside: Inside) -> AsyncIterator[Following]:
    """A tail on each engine."""
    async with following(engine, inside) as opened:
        yield opened


@pytest.fixture
async def mortal_inside(mortal: RealEngine) -> AsyncIterator[Inside]:
    store, opened = open_store(mortal, "mortal")
    await store.register(PROFILES)
    yield opened
    await opened.runner.close()


async def test_what_happens_is_given_in_order_and_once(tail: Following, inside: Inside) -> None:
    """Over all partitions, while it is written and after; nothing from before the tail began."""

    async def write_on(user: str) -> list[str]:
        return [session for _ in range(50) for session in await write(inside, 3, user=user)]

    await write(inside)
    await tail.checkpoint()
    tail.events.clear()
    writing = [asyncio.create_task(write_on(user)) for user in (ALICE, BOB)]
    await tail.until(lambda: len(tail.events) == 300)
    await tail.checkpoint()
    for user, task in zip((ALICE, BOB), writing, strict=True):
        assert [e.session_id for e in tail.events if e.user_id == user] == await task


async def test_an_event_is_given_long_before_the_next_checkpoint(
    tail: Following, inside: Inside
) -> None:
    """At once from an engine that can block, and from any other within a few polls."""
    for _ in range(5):
        await tail.checkpoint()
        started = time.monotonic()
        written = await write(inside)
        await tail.until(lambda: tail.sessions)
        assert tail.sessions == written
        tail.events.clear()
        assert time.monotonic() - started < CHECKPOINT_S / 2
        assert len(tail.checkpoints) <= 5


async def test_a_checkpoint_comes_every_second_and_has_the_engines_time(
    tail: Following, inside: Inside
) -> None:
    """It is read after the reading began, whatever happens meanwhile."""
    await tail.checkpoint()
    for _ in range(3):
        before_ms, before_s = await inside.now_ms(), time.monotonic()
        await write(inside)
        checkpoint = await tail.checkpoint()
        assert before_ms <= checkpoint.time_ms <= await inside.now_ms()
        assert checkpoint.begun_s > before_s
        assert time.monotonic() - before_s < CHECKPOINT_S + SOON_S
        assert checkpoint.begun_s > time.monotonic() - SOON_S


async def test_no_checkpoint_comes_before_everything_was_read(
    tail: Following, inside: Inside
) -> None:
    """A log that gives more than a read takes is read on first."""
    await tail.checkpoint()
    written = await write(inside, 1_700)
    while len(tail.events) < len(written):
        read = await tail.read()
        assert not read.checkpoint or len(tail.events) == len(written)
    assert tail.sessions == written


async def test_a_fresh_connection_goes_on_where_the_last_one_ended(
    tail: Following, inside: Inside
) -> None:
    """What happened in between is given, and nothing twice."""
    written: list[str] = []
    for number in range(1, 6):
        written += await write(inside, 3)
        await tail.until(lambda: len(tail.events) % 6 == 3)
        await tail.tail.close()
        written += await write(inside, 3)
        await tail.checkpoint()
        assert tail.reconnections == number
    assert tail.sessions == written


async def test_an_engine_that_forgot_the_scripts_is_given_them_again(
    engine: Engine, inside: Inside
) -> None:
    """By a fresh connection; nothing is missed."""
    if engine.name == "fakeredis":
        pytest.skip("places are checked over fresh connections only")
    async with following(engine, inside) as tail:
        await tail.checkpoint()
        await inside.everywhere("SCRIPT", "FLUSH")
        written = await write(inside, 3)
        await tail.until(lambda: tail.reconnections)
        await tail.checkpoint()
        assert tail.sessions == written


async def test_events_that_were_trimmed_while_it_was_away_are_missed_by_name(
    tail: Following, inside: Inside
) -> None:
    """CURSOR_TOO_OLD; what was trimmed and had been given is not missed."""
    await write(inside, 3)
    await tail.checkpoint()
    await tail.tail.close()
    await trim(inside)
    await tail.checkpoint()
    await tail.tail.close()
    await write(inside, 3)
    await trim(inside, 2)
    with pytest.raises(CursorTooOldError):
        await tail.checkpoint()
    assert len(tail.events) == 3


async def test_events_that_were_trimmed_unread_are_missed_by_name(
    engine: Engine, inside: Inside
) -> None:
    """Over a connection that never broke too: a tail that stood still may be overtaken."""
    if engine.name == "fakeredis":
        pytest.skip("places are checked over fresh connections only")
    async with following(engine, inside) as tail:
        await tail.checkpoint()
        await write(inside, 10)
        await trim(inside, 5)
        await asyncio.sleep(CHECKPOINT_S)
        with pytest.raises(CursorTooOldError):
            await tail.checkpoint()
        assert not tail.events


async def test_a_log_that_went_back_is_told(tail: Following, inside: Inside) -> None:
    """Also one that grew past the place since."""
    await write(inside, 3)
    await tail.checkpoint()
    await tail.tail.close()
    await inside.wipe()
    await write(inside, 10)
    with pytest.raises(LogRewoundError):
        await tail.checkpoint()
    assert len(tail.events) == 3


async def test_an_engine_that_hangs_is_left_and_taken_up_again(
    mortal: RealEngine, mortal_inside: Inside
) -> None:
    """No checkpoint meanwhile; what happened before and after is given."""
    async with following(mortal, mortal_inside) as tail:
        written = await write(mortal_inside, 2)
        await tail.until(lambda: tail.sessions == written)
        with hung(mortal):
            before = len(tail.checkpoints)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2.5):
                    await tail.until(lambda: len(tail.checkpoints) > before + 1)
            assert len(tail.checkpoints) <= before + 1
        written += await write(mortal_inside, 2)
        await tail.checkpoint()
        assert tail.sessions == written
        assert tail.reconnections > 0


async def test_an_engine_that_is_back_empty_is_told(
    mortal: RealEngine, mortal_inside: Inside
) -> None:
    """After any number of attempts in vain."""
    async with following(mortal, mortal_inside) as tail:
        await write(mortal_inside)
        await tail.checkpoint()
        mortal.kill9()
        reading = asyncio.create_task(tail.checkpoint())
        done, _ = await asyncio.wait([reading], timeout=0.5)
        assert not done
        mortal.start()
        with pytest.raises(LogRewoundError):
            await reading


async def test_a_tail_does_not_begin_without_an_engine(
    mortal: RealEngine, mortal_inside: Inside
) -> None:
    """One that does not answer is as one that is not there."""
    mortal.kill9()
    with pytest.raises(StoreUnavailableError):
        await tail_of(mortal, mortal_inside).begin()
    mortal.start()
    with hung(mortal), pytest.raises(StoreUnavailableError):
        await tail_of(mortal, mortal_inside).begin()
