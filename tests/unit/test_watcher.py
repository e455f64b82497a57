"""One watcher: what the feed tells it, in which order, and where it may resume."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.domain.errors import WatcherTooSlowError
from sessiond.domain.events import EVERYTHING, Event, EventType
from sessiond.domain.ids import PARTITIONS
from sessiond.domain.limits import MOST_EVENTS
from sessiond.domain.session import EndReason
from sessiond.service import cursors
from sessiond.service.watch_parts import Batch, CheckpointPart, EventsPart, batches
from sessiond.service.watcher import Watcher
from sessiond.store.log_entries import Place, Stretch
from sessiond.store.log_tail import Checkpoint

START = dict.fromkeys(range(PARTITIONS), Place("0-0", 0))


def stretch(partition: int, first: int, last: int) -> Stretch:
    """Events of a log by their numbers; an event's number is its sequence in its id too."""
    events = tuple(
        Event(f"{partition}-1-{n}", n, EventType.ENDED, f"s{n}", "u", EndReason.LOGOUT, 0)
        for n in range(first, last + 1)
    )
    return Stretch(partition, events, Place(f"1-{last}", last))


def batch(*stretches: Stretch, before: dict[int, Place] | None = None) -> Batch:
    places = {**(before or START), **{each.partition: each.place for each in stretches}}
    return Batch(stretches, places)


def live(places: dict[int, Place] | None = None, backlog: int = 100) -> Watcher:
    watcher = Watcher(EVERYTHING, backlog)
    watcher.go_live({**START, **(places or {})}, START)
    return watcher


async def parts_of(watcher: Watcher) -> list[EventsPart | CheckpointPart]:
    """What waits for it."""
    watcher.finish()
    return [part async for part in watcher.parts()]


def ids(part: EventsPart | CheckpointPart) -> list[str]:
    assert isinstance(part, EventsPart)
    return [event.id for event in part.events]


@given(
    lengths=st.lists(
        st.tuples(st.integers(0, PARTITIONS - 1), st.integers(1, 1_300)),
        max_size=6,
        unique_by=lambda each: each[0],
    )
)
def test_batches_are_bounded_and_say_where_each_of_them_ends(
    lengths: list[tuple[int, int]],
) -> None:
    """Together they hold every event once; the places of each are those of the events so far."""
    read = [stretch(partition, 1, length) for partition, length in lengths]
    told = {partition: 0 for partition, _ in lengths}
    for each in batches(read, START):
        assert 1 <= sum(len(part.events) for part in each.stretches) <= MOST_EVENTS
        for part in each.stretches:
            for event in part.events:
                told[part.partition] += 1
                assert event.id == f"{part.partition}-1-{told[part.partition]}"
        for partition, count in told.items():
            expected = Place(f"1-{count}", count) if count else START[partition]
            assert each.places[partition] == expected
    assert told == dict(lengths)


async def test_what_was_known_before_is_not_told_again() -> None:
    """Partition by partition; and its cursor never goes back behind what it knows."""
    ahead = {3: Place("1-5", 5), 4: Place("1-2", 2)}
    watcher = live(ahead)
    assert not watcher.in_step
    first = batch(stretch(3, 1, 4), stretch(4, 1, 2))
    second = batch(stretch(3, 5, 7), before=dict(first.places))
    assert not watcher.tell(first)
    watcher.assure(Checkpoint(1, 0.0), cursors.write(EVERYTHING, first.places), first.places)
    assert watcher.tell(second)
    assert watcher.in_step
    checkpoint, events = await parts_of(watcher)
    assert ids(events) == ["3-1-6", "3-1-7"]
    assert cursors.read(checkpoint.cursor, EVERYTHING) == {**START, **ahead}
    assert cursors.read(events.cursor, EVERYTHING) == dict(second.places)


async def test_what_is_told_is_shared() -> None:
    """Watchers with the same filter get the same part, which is serialized once."""
    watchers = [live() for _ in range(3)]
    told = batch(stretch(1, 1, 3))
    for watcher in watchers:
        watcher.tell(told)
    (first,), *others = [await parts_of(watcher) for watcher in watchers]
    assert all(part is first for (part,) in others)


async def test_checkpoints_do_not_pile_up() -> None:
    """Of those that follow each other only the latest waits, and all keep their place."""
    watcher = live()
    for time_ms in (1, 2, 3):
        watcher.assure(Checkpoint(time_ms, 0.0), "cursor", START)
    watcher.tell(batch(stretch(1, 1, 1)))
    watcher.assure(Checkpoint(4, 0.0), "cursor", START)
    waiting = await parts_of(watcher)
    assert [p.time_ms if isinstance(p, CheckpointPart) else 0 for p in waiting] == [3, 0, 4]


async def test_a_watcher_that_reads_too_slowly_is_ended_where_it_waits() -> None:
    """Also outside of its own code; one event fewer is kept."""
    watcher = live(backlog=10)

    async def stuck() -> None:
        async with watcher.held():
            await asyncio.Event().wait()

    waiting = asyncio.create_task(stuck())
    await asyncio.sleep(0)
    watcher.tell(batch(stretch(1, 1, 10)))
    await asyncio.sleep(0)
    assert not waiting.done()
    watcher.tell(batch(stretch(1, 11, 11), before={**START, 1: Place("1-10", 10)}))
    with pytest.raises(WatcherTooSlowError):
        await waiting


async def test_what_waits_is_taken_before_a_good_end() -> None:
    """And nothing is told before it is live."""
    early = Watcher(EVERYTHING, 100)
    assert not early.tell(batch(stretch(1, 1, 1)))
    watcher = live()
    parts: Sequence[EventsPart | CheckpointPart] = []

    async def read() -> None:
        nonlocal parts
        parts = [part async for part in watcher.parts()]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    watcher.tell(batch(stretch(1, 1, 2)))
    watcher.finish()
    await reading
    assert [ids(part) for part in parts] == [["1-1-1", "1-1-2"]]
