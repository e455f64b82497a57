"""What is read of the logs: where they end, what comes after a place, and whether any is lost."""

from __future__ import annotations

import pytest

from sessiond.domain.errors import CursorTooOldError, LogRewoundError
from sessiond.domain.events import DeadSession, EventType
from sessiond.domain.session import EndReason
from sessiond.store.log import LogStore
from sessiond.store.log_entries import Place
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.engines import RealName, require_engine, start_real_engine
from tests.store.inside import Inside, open_store, partition_of, scripts_of, until
from tests.store.kit import ALICE, ENDS, HOUR, MINUTE, PROFILES, WEB, capped, create, login
from tests.store.logs import trim, write

HERE = partition_of(ALICE)
BEGINNING = Place("0-0", 0)


@pytest.fixture
def log(scripts: ScriptSet) -> LogStore:
    return LogStore(scripts)


async def end_of(log: LogStore) -> Place:
    return (await log.snapshot(HERE, dead=False)).place


async def test_events_say_what_happened_to_whom_and_when(
    store: Store, inside: Inside, log: LogStore
) -> None:
    """A creation has no reason, an expiry one of its own, and each event another id."""
    before = await inside.now_ms()
    first = await login(store)
    await store.revoke(first.id, EndReason.LOGOUT, "app")
    idle = await login(store, idle_ms=MINUTE)
    await inside.let_pass(2 * MINUTE)
    last = (await create(store, profile=capped(WEB, 1))).session
    stretch = await log.read(HERE, BEGINNING, 100)
    assert [(e.type, e.session_id, e.user_id, e.reason) for e in stretch.events] == [
        (EventType.CREATED, first.id, ALICE, EndReason.NONE),
        (EventType.ENDED, first.id, ALICE, EndReason.LOGOUT),
        (EventType.CREATED, idle.id, ALICE, EndReason.NONE),
        (EventType.EXPIRED, idle.id, ALICE, EndReason.IDLE),
        (EventType.CREATED, last.id, ALICE, EndReason.NONE),
    ]
    assert len({event.id for event in stretch.events}) == len(stretch.events)
    after = await inside.now_ms()
    assert all(before <= event.time_ms <= after for event in stretch.events)
    assert stretch.events[1].dead_ms >= before + HOUR + ENDS.leeway_ms
    assert stretch.place == await end_of(log)


async def test_a_snapshot_has_those_whose_tokens_may_look_alive(
    store: Store, inside: Inside, log: LogStore
) -> None:
    """Until the last is surely dead; and where the log ended then."""
    old = await login(store)
    await store.revoke(old.id, EndReason.LOGOUT, "app")
    await inside.let_pass(2 * HOUR)
    fresh = await login(store)
    await store.revoke(fresh.id, EndReason.LOGOUT, "app")
    snapshot = await log.snapshot(HERE, dead=True)
    (known,) = snapshot.dead
    assert known == DeadSession(fresh.id, (await inside.scores(ALICE, "dead"))[fresh.id])
    assert snapshot.place.count == 4
    await login(store)
    assert [e.type for e in (await log.read(HERE, snapshot.place, 10)).events] == [
        EventType.CREATED
    ]
    assert not (await log.snapshot(HERE, dead=False)).dead


async def test_a_log_is_read_in_steps_from_any_place(inside: Inside, log: LogStore) -> None:
    """Each step goes on where the one before ended, to the end and no further."""
    written = await write(inside, 25)
    found, place = list[str](), BEGINNING
    for size in (10, 10, 5, 0):
        stretch = await log.read(HERE, place, 10)
        assert len(stretch.events) == size
        found += [event.session_id for event in stretch.events]
        place = stretch.place
    assert found == written
    assert place.count == 25


async def test_a_place_is_good_for_as_long_as_nothing_after_it_was_trimmed(
    inside: Inside, log: LogStore
) -> None:
    """Whether its own event is still there does not matter; one event fewer is CURSOR_TOO_OLD."""
    await write(inside, 10)
    places = [BEGINNING]
    while len(places) <= 10:
        places.append((await log.read(HERE, places[-1], 1)).place)
    for gone in (3, 9, 10):
        await trim(inside, 10 - gone)
        for count, place in enumerate(places):
            if count < gone:
                with pytest.raises(CursorTooOldError):
                    await log.check({HERE: place})
            else:
                await log.check({HERE: place})
                assert len((await log.read(HERE, place, 100)).events) == 10 - count
    await write(inside)
    await log.check({HERE: places[10]})
    with pytest.raises(CursorTooOldError):
        await log.read(HERE, places[9], 1)


async def test_a_place_that_the_log_never_reached_is_told(inside: Inside, log: LogStore) -> None:
    """The store lost events: all of them, the last ones, or some whose places others took."""
    await write(inside, 5)
    kept = await end_of(log)
    await write(inside, 5)
    ahead = await end_of(log)
    events = await inside.ask("XRANGE", inside.keys.log(HERE), "-", "+", "COUNT", 5)
    await inside.wipe()
    with pytest.raises(LogRewoundError):
        await log.check({HERE: kept})
    for entry_id, fields in events:
        await inside.ask("XADD", inside.keys.log(HERE), entry_id, *fields)
    await log.check({HERE: kept})
    for _ in range(10):
        with pytest.raises(LogRewoundError):
            await log.check({HERE: ahead})
        await write(inside)
    await log.check({HERE: kept})
    assert len((await log.read(HERE, kept, 100)).events) == 10


async def test_a_place_that_no_log_can_have_had_is_refused(inside: Inside, log: LogStore) -> None:
    """As one that this log never reached."""
    await write(inside, 3)
    await trim(inside, 2)
    end = await end_of(log)
    wrong = (
        Place("0-0", 2),
        Place("1-1", 2),
        Place(end.id, 1),
        Place(f"{2**64 - 1}-{2**64 - 1}", 3),
        Place(f"{2**64 - 1}-{2**64 - 1}", 2),
        Place(end.id, 2**64 - 1),
    )
    for place in wrong:
        with pytest.raises(LogRewoundError):
            await log.check({HERE: place})


async def test_all_places_are_checked_at_once(inside: Inside, log: LogStore) -> None:
    """One that is lost spoils the rest."""
    await write(inside)
    places = {i: (await log.snapshot(i, dead=False)).place for i in range(64)}
    await log.check(places)
    with pytest.raises(LogRewoundError):
        await log.check(places | {(HERE + 1) % 64: Place("1-1", 1)})


@pytest.mark.parametrize("name", ["valkey", "redis7", "redis8"])
async def test_a_place_outlives_a_restart_of_the_engine(name: RealName) -> None:
    """Its log may have been trimmed, and its append-only file rewritten, before."""
    require_engine(name)
    with start_real_engine(name, config={"appendfsync": "always"}, appendonly=True) as engine:
        store, inside = open_store(engine, "t")
        log = LogStore(scripts_of(inside))
        await store.register(PROFILES)
        await write(inside, 10)
        await trim(inside, 4)
        places = [await end_of(log)]
        await inside.ask("BGREWRITEAOF")
        await until(lambda: _is_rewritten(inside))
        await write(inside, 3)
        places.append(await end_of(log))
        engine.kill9()
        engine.start()
        for place in places:
            await log.check({HERE: place})
        later = await write(inside, 2)
        for place, count in zip(places, (5, 2), strict=True):
            events = (await log.read(HERE, place, 10)).events
            assert len(events) == count
            assert [event.session_id for event in events[-2:]] == later
        await inside.runner.close()


async def _is_rewritten(inside: Inside) -> bool:
    infos = await inside.everywhere("INFO", "persistence")
    return all(b"aof_rewrite_in_progress:0" in info for info in infos)
