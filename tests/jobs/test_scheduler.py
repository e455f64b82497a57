"""When jobs run: each slot once in the fleet, missed ones once, and on request."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace

import pytest

from sessiond.domain.errors import JobRunningError, StoreUnavailableError
from sessiond.domain.jobs import JobOutcome, JobResult, Progress
from sessiond.jobs import scheduler
from sessiond.store.job_ledger import JobLedger
from tests.conftest import rounds
from tests.jobs.fleet import HOURLY, NAME, Chore, Fleet, ended, until_true
from tests.store.inside import Inside
from tests.store.kit import HOUR, MINUTE


async def test_a_slot_is_run_once_whichever_server_wakes_first(
    fleet: Fleet, ledger: JobLedger
) -> None:
    """Two servers wake at the same moment, for every slot; never do two run."""
    chore = Chore()
    members = [fleet.server(chore), fleet.server(chore)]
    await fleet.rest()
    for number in range(1, rounds(25) + 1):
        await fleet.next_slot()
        assert (chore.begun, chore.ended, chore.most_at_once) == (number, number, 1)
        run = (await ledger.read(NAME)).last_run
        assert run is not None
        assert (run.outcome, run.attempts) == (JobOutcome.SUCCEEDED, 1)
    assert sum(len(member.outcomes) for member in members) == chore.begun


async def test_a_job_that_is_seen_first_is_not_run(fleet: Fleet) -> None:
    """Only at the slot after."""
    chore = Chore()
    fleet.server(chore)
    await fleet.rest()
    await fleet.clock.move(MINUTE)
    await fleet.rest()
    assert chore.begun == 0
    await fleet.next_slot()
    assert chore.begun == 1


async def test_slots_that_all_servers_missed_are_run_once(fleet: Fleet) -> None:
    """By the first one that is back, and at once."""
    chore = Chore()
    member = fleet.server(chore)
    await fleet.rest()
    await member.stop()
    fleet.clock.now_ms += 10 * HOUR
    fleet.server(chore)
    await fleet.rest()
    assert chore.begun == 1


async def test_a_slot_is_never_run_before_it_is_due_nor_later_than_the_jitter(
    fleet: Fleet,
) -> None:
    """Whatever the server draws."""
    chore, jitter_s = Chore(), 30
    fleet.server(chore, jitter_s=jitter_s)
    await fleet.rest()
    for number in range(rounds(10)):
        await fleet.clock.move(HOURLY.next_ms(fleet.clock.now_ms) - fleet.clock.now_ms - 1)
        await fleet.rest()
        assert chore.begun == number
        await fleet.clock.move(jitter_s * 1000 + 1)
        await fleet.rest()
        assert chore.begun == number + 1


async def test_the_jitter_spreads_servers(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that draws the most waits for as long."""
    monkeypatch.setattr(scheduler, "_RANDOM", SimpleNamespace(uniform=lambda _, most: most))
    chore = Chore()
    fleet.server(chore, jitter_s=30)
    await fleet.rest()
    await fleet.clock.move(HOURLY.next_ms(fleet.clock.now_ms) - fleet.clock.now_ms + 29_999)
    await fleet.rest()
    assert chore.begun == 0
    await fleet.clock.move(1)
    await fleet.rest()
    assert chore.begun == 1


async def test_a_job_without_a_schedule_runs_on_request_only(
    fleet: Fleet, ledger: JobLedger
) -> None:
    """The others need not attend to it."""
    chore = Chore(schedule=None)
    member = fleet.server(chore)
    await fleet.clock.move(HOUR)
    assert chore.begun == 0
    await member.scheduler.start(NAME)
    await ended(ledger)
    assert chore.begun == 1


async def test_a_job_that_runs_cannot_be_started_anywhere(fleet: Fleet, ledger: JobLedger) -> None:
    """The refusal names the server that runs it."""
    go_on = asyncio.Event()

    async def wait(_: Progress) -> JobResult:
        await go_on.wait()
        return JobResult("done")

    chore = Chore(wait)
    one, two = fleet.server(chore), fleet.server(chore)
    await one.scheduler.start(NAME)
    for member in (one, two):
        with pytest.raises(JobRunningError) as refused:
            await member.scheduler.start(NAME)
        assert refused.value.metadata == {"job": NAME, "server": one.name}
    go_on.set()
    await ended(ledger)
    await two.scheduler.start(NAME)
    await until_true(lambda: chore.ended == 2)
    assert chore.most_at_once == 1


async def test_who_leaves_before_the_refusal_leaves_no_fault_behind(
    fleet: Fleet, ledger: JobLedger
) -> None:
    """A refusal that nobody waits for any more is none in the log of the loop."""
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    go_on = asyncio.Event()

    async def wait(_: Progress) -> JobResult:
        await go_on.wait()
        return JobResult("done")

    one, two = fleet.server(chore := Chore(wait)), fleet.server(chore)
    await one.scheduler.start(NAME)
    leaving = asyncio.create_task(two.scheduler.start(NAME))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    with pytest.raises(JobRunningError):
        await two.scheduler.start(NAME)
    gc.collect()
    assert not faults
    go_on.set()
    await ended(ledger)


async def test_a_slot_that_falls_into_a_run_on_request_is_run_after_it(
    fleet: Fleet, ledger: JobLedger
) -> None:
    """Once, when the lease would have run out."""
    go_on = asyncio.Event()

    async def wait(_: Progress) -> JobResult:
        await go_on.wait()
        return JobResult("done")

    chore = Chore(wait)
    one, _ = fleet.server(chore), fleet.server(chore)
    await fleet.rest()
    await one.scheduler.start(NAME)
    await until_true(lambda: chore.begun == 1)
    await fleet.next_slot()
    assert chore.begun == 1
    go_on.set()
    await ended(ledger)
    await fleet.clock.move(MINUTE)
    await fleet.rest()
    assert (chore.begun, chore.most_at_once) == (2, 1)


async def test_a_run_whose_server_is_gone_is_taken_over(
    fleet: Fleet, ledger: JobLedger, inside: Inside
) -> None:
    """After its lease; the ledger tells of two attempts, and by whom."""
    chore = Chore()
    member = fleet.server(chore)
    await fleet.rest()
    await ledger.claim(NAME, "x", "gone:1", slot_ms=fleet.clock.now_ms + HOUR, lease_ms=HOUR)
    await fleet.next_slot()
    assert chore.begun == 0
    await inside.let_pass(HOUR)
    await fleet.clock.move(MINUTE)
    await fleet.rest()
    record = await ledger.read(NAME)
    assert record.last_run is not None
    assert (record.last_run.attempts, record.server) == (2, member.name)
    assert chore.begun == 1


async def test_a_server_that_stops_leaves_its_run_to_the_next(
    fleet: Fleet, ledger: JobLedger
) -> None:
    """At once, not after its lease."""

    async def wait(_: Progress) -> JobResult:
        await asyncio.Event().wait()
        raise AssertionError

    slow, quick = Chore(wait), Chore()
    one = fleet.server(slow)
    await fleet.rest()
    await fleet.clock.move(HOUR)
    await until_true(lambda: slow.begun == 1)
    await one.stop()
    assert slow.ended == 1
    two = fleet.server(quick)
    await fleet.rest()
    record = await ledger.read(NAME)
    assert record.last_run is not None
    assert (record.last_run.attempts, record.server) == (2, two.name)


async def test_a_run_on_request_ends_with_its_server(fleet: Fleet, ledger: JobLedger) -> None:
    """It is released too."""

    async def wait(_: Progress) -> JobResult:
        await asyncio.Event().wait()
        raise AssertionError

    chore = Chore(wait)
    member = fleet.server(chore)
    await member.scheduler.start(NAME)
    await until_true(lambda: chore.begun == 1)
    await member.stop()
    assert chore.ended == 1
    record = await ledger.read(NAME)
    assert (record.running, record.last_run) == (False, None)


async def test_nothing_is_claimed_before_the_store_is_ready(
    fleet: Fleet, ledger: JobLedger
) -> None:
    """A server that must not use a store leaves no trace in it."""
    fleet.ready.clear()
    fleet.server(Chore())
    await asyncio.sleep(0)
    assert await fleet.members[0].inside.snapshot() == {}
    fleet.ready.set()
    await fleet.rest()
    assert await fleet.members[0].inside.snapshot() != {}


async def test_a_fault_while_attending_does_not_end_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot is claimed once the store answers again."""
    chore = Chore()
    member = fleet.server(chore)
    await fleet.rest()

    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(member.ledger, "claim", fail)
        await fleet.next_slot()
    assert chore.begun == 0
    await fleet.clock.move(MINUTE)
    await fleet.rest()
    assert chore.begun == 1


async def test_every_server_hears_of_every_run(fleet: Fleet) -> None:
    """At first, and then once for each, though it ran elsewhere."""
    chore = Chore()
    one, two = fleet.server(chore), fleet.server(chore)
    await fleet.rest()
    assert (one.news, two.news) == (1, 1)
    for number in range(2, 5):
        await fleet.next_slot()
        # One that found the run going on looks again later.
        await fleet.clock.move(MINUTE)
        await fleet.rest()
        assert (one.news, two.news) == (number, number)
