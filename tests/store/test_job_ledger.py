"""The ledger of jobs: one server at a time, each slot once, and nothing lost with a server."""

from __future__ import annotations

import asyncio
import itertools
from typing import Final

import pytest

from sessiond.domain.jobs import JobOutcome, JobRecord, JobRun
from sessiond.store.job_ledger import GIVEN_UP, MOST_ATTEMPTS, Claim, ClaimStatus, JobLedger
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.store.inside import Inside
from tests.store.kit import MINUTE
from tests.store.walk import walk

JOB: Final = "stats"
SLOT: Final = 1_000_000
LEASE: Final = MINUTE
_runs = itertools.count()


@pytest.fixture
def ledger(scripts: ScriptSet) -> JobLedger:
    """A ledger with nothing in it."""
    return JobLedger(scripts)


async def claim(
    ledger: JobLedger, slot: int | None, run: str = "", *, server: str = "one:1"
) -> Claim:
    """Claim the job, by default under a run id of its own."""
    run = run or f"run-{next(_runs)}"
    return await ledger.claim(JOB, run, server, slot_ms=slot, lease_ms=LEASE)


async def seen(ledger: JobLedger, slot: int = SLOT) -> None:
    """Let the store have seen the job at this slot."""
    assert (await claim(ledger, slot)).status is ClaimStatus.DONE


async def test_a_job_is_first_due_at_the_slot_after_the_one_it_was_seen_at(
    ledger: JobLedger,
) -> None:
    """A store that is set up at noon has not missed the morning."""
    assert (await claim(ledger, SLOT)).status is ClaimStatus.DONE
    assert (await claim(ledger, SLOT)).status is ClaimStatus.DONE
    assert (await claim(ledger, SLOT + 1)).status is ClaimStatus.CLAIMED


async def test_a_slot_is_claimed_once(ledger: JobLedger) -> None:
    """While it is run others are told who runs it and until when; afterwards, that it is done."""
    await seen(ledger)
    ours = await claim(ledger, SLOT + 1, "a")
    theirs = await claim(ledger, SLOT + 1, "b", server="two:2")
    assert (theirs.status, theirs.server) == (ClaimStatus.BUSY, "one:1")
    assert theirs.lease_ms == ours.lease_ms == ours.now_ms + LEASE
    await ledger.finish(JOB, "a", JobOutcome.SUCCEEDED, "fine", "")
    done = await claim(ledger, SLOT + 1, "b")
    assert (done.status, done.ended) == (ClaimStatus.DONE, "a")


async def test_of_many_claims_at_once_one_is_granted(ledger: JobLedger) -> None:
    """In every round, and for every slot."""
    await seen(ledger)
    for number in range(1, rounds(10) + 1):
        slot = SLOT + number
        claims = await asyncio.gather(*(claim(ledger, slot, f"{slot}/{i}") for i in range(20)))
        granted = [i for i, c in enumerate(claims) if c.status is ClaimStatus.CLAIMED]
        assert len(granted) == 1
        run = f"{slot}/{granted[0]}"
        assert await ledger.finish(JOB, run, JobOutcome.SUCCEEDED, "", "") is not None


async def test_a_claim_whose_answer_was_lost_is_granted_again(ledger: JobLedger) -> None:
    """It is the same run, begun once."""
    await seen(ledger)
    first = await claim(ledger, SLOT + 1, "a")
    again = await claim(ledger, SLOT + 1, "a")
    assert again.status is ClaimStatus.CLAIMED
    assert (again.attempts, again.lease_ms) == (1, first.lease_ms)


async def test_missed_slots_are_run_once(ledger: JobLedger) -> None:
    """The latest stands for those before it."""
    await seen(ledger)
    assert (await claim(ledger, SLOT + 7, "a")).status is ClaimStatus.CLAIMED
    await ledger.finish(JOB, "a", JobOutcome.SUCCEEDED, "", "")
    assert (await claim(ledger, SLOT + 3)).status is ClaimStatus.DONE


async def test_a_run_on_request_settles_no_slot(ledger: JobLedger) -> None:
    """It is beside the schedule, and one at a time with it."""
    await seen(ledger)
    assert (await claim(ledger, None, "a")).status is ClaimStatus.CLAIMED
    assert (await claim(ledger, SLOT + 1)).status is ClaimStatus.BUSY
    assert (await claim(ledger, None)).status is ClaimStatus.BUSY
    await ledger.finish(JOB, "a", JobOutcome.SUCCEEDED, "", "")
    assert (await claim(ledger, SLOT + 1)).status is ClaimStatus.CLAIMED


async def test_a_request_is_no_first_sight(ledger: JobLedger) -> None:
    """Without a schedule yet, there is no slot to remember."""
    assert (await claim(ledger, None, "a")).status is ClaimStatus.CLAIMED
    await ledger.finish(JOB, "a", JobOutcome.SUCCEEDED, "", "")
    await seen(ledger)


@pytest.mark.parametrize("slot", [SLOT + 1, None])
async def test_an_abandoned_run_is_taken_over(
    ledger: JobLedger, inside: Inside, slot: int | None
) -> None:
    """By whoever asks once the lease has run out; the record tells that it was begun twice."""
    await seen(ledger)
    await claim(ledger, slot, "a", server="lost:1")
    await inside.let_pass(LEASE)
    taken = await claim(ledger, SLOT + 1, "b", server="next:2")
    assert (taken.status, taken.server, taken.attempts) == (ClaimStatus.CLAIMED, "next:2", 2)
    await inside.let_pass(5_000)
    run = await ledger.finish(JOB, "b", JobOutcome.SUCCEEDED, "", "")
    assert run is not None
    assert run.attempts == 2
    assert LEASE + 5_000 <= run.duration_ms < 2 * LEASE
    assert (await claim(ledger, SLOT + 1)).status is ClaimStatus.DONE


async def test_a_server_whose_clock_is_behind_settles_no_slot_anew(
    ledger: JobLedger, inside: Inside
) -> None:
    """It may take a run on request over; the slot that was settled since stays settled."""
    await seen(ledger)
    await claim(ledger, SLOT + 2, "a")
    await ledger.finish(JOB, "a", JobOutcome.SUCCEEDED, "", "")
    await claim(ledger, None, "b")
    await inside.let_pass(LEASE)
    assert (await claim(ledger, SLOT + 1, "c")).status is ClaimStatus.CLAIMED
    await ledger.finish(JOB, "c", JobOutcome.SUCCEEDED, "", "")
    assert (await claim(ledger, SLOT + 2)).status is ClaimStatus.DONE


async def test_the_one_who_was_taken_over_can_neither_renew_nor_finish(
    ledger: JobLedger, inside: Inside
) -> None:
    """What it says changes nothing."""
    await seen(ledger)
    await claim(ledger, SLOT + 1, "a")
    await inside.let_pass(LEASE)
    await claim(ledger, SLOT + 1, "b")
    before = await inside.snapshot()
    assert not await ledger.renew(JOB, "a", LEASE, 1, 2)
    assert await ledger.finish(JOB, "a", JobOutcome.FAILED, "late", "{}") is None
    assert await inside.snapshot() == before
    assert await ledger.renew(JOB, "b", LEASE, 1, 2)


async def test_a_lease_that_ran_out_can_be_renewed_until_somebody_takes_over(
    ledger: JobLedger, inside: Inside
) -> None:
    """A server that was away for a moment goes on."""
    await claim(ledger, None, "a")
    await inside.let_pass(2 * LEASE)
    assert not (await ledger.read(JOB)).running
    assert await ledger.renew(JOB, "a", LEASE, 5, 10)
    record = await ledger.read(JOB)
    assert (record.running, record.done, record.total) == (True, 5, 10)


async def test_a_released_run_is_taken_over_at_once(ledger: JobLedger) -> None:
    """A server that stops does not let the others wait for its lease."""
    await seen(ledger)
    await claim(ledger, SLOT + 1, "a")
    await ledger.release(JOB, "a", 3, 4)
    taken = await claim(ledger, SLOT + 1, "b")
    assert (taken.status, taken.attempts) == (ClaimStatus.CLAIMED, 2)


async def test_a_run_that_was_begun_too_often_is_given_up(
    ledger: JobLedger, inside: Inside
) -> None:
    """It is recorded as failed; what takes server after server down gets no fourth."""
    await seen(ledger)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        taken = await claim(ledger, SLOT + 1)
        assert (taken.attempts, taken.given_up) == (attempt, False)
        await inside.let_pass(LEASE)
    last = await claim(ledger, SLOT + 1)
    assert (last.status, last.given_up) == (ClaimStatus.DONE, True)
    run = (await ledger.read(JOB)).last_run
    assert run is not None
    assert (run.outcome, run.message) == (JobOutcome.FAILED, GIVEN_UP)
    assert run.attempts == MOST_ATTEMPTS
    later = await claim(ledger, SLOT + 2)
    assert (later.status, later.attempts, later.given_up) == (ClaimStatus.CLAIMED, 1, False)


async def test_a_request_after_a_run_that_was_given_up_begins_afresh(
    ledger: JobLedger, inside: Inside
) -> None:
    """An operator may always try again."""
    for _ in range(MOST_ATTEMPTS):
        await claim(ledger, None)
        await inside.let_pass(LEASE)
    again = await claim(ledger, None)
    assert (again.status, again.attempts, again.given_up) == (ClaimStatus.CLAIMED, 1, True)


async def test_a_finish_whose_answer_was_lost_is_answered_again(
    ledger: JobLedger, inside: Inside
) -> None:
    """And changes nothing the second time."""
    await claim(ledger, None, "a")
    first = await ledger.finish(JOB, "a", JobOutcome.SUCCEEDED, "fine", "{}")
    before = await inside.snapshot()
    assert await ledger.finish(JOB, "a", JobOutcome.SUCCEEDED, "fine", "{}") == first
    assert await inside.snapshot() == before


async def test_the_record_tells_of_the_run_and_of_the_last_good_one(
    ledger: JobLedger, inside: Inside
) -> None:
    """A failure leaves the time of the last success and what was found then."""
    assert await ledger.read(JOB) == JobRecord()
    begun = await claim(ledger, None, "a")
    await inside.let_pass(MINUTE // 2)
    good = await ledger.finish(JOB, "a", JobOutcome.SUCCEEDED, "41 found", '{"found": 41}')
    assert good is not None
    assert good.begin_ms == begun.now_ms - MINUTE // 2
    success = good.begin_ms + good.duration_ms
    assert await ledger.read(JOB) == JobRecord(
        running=False,
        server="one:1",
        begin_ms=good.begin_ms,
        last_run=JobRun(good.begin_ms, good.duration_ms, JobOutcome.SUCCEEDED, "41 found", 1),
        success_ms=success,
        payload='{"found": 41}',
    )
    await claim(ledger, None, "b")
    bad = await ledger.finish(JOB, "b", JobOutcome.REFUSED, "not so", "")
    record = await ledger.read(JOB)
    assert (record.last_run, record.success_ms) == (bad, success)
    assert record.payload == '{"found": 41}'


async def test_jobs_do_not_know_of_each_other(ledger: JobLedger) -> None:
    """One may run while another does."""
    await claim(ledger, None, "a")
    other = await ledger.claim("orphans", "b", "one:1", slot_ms=None, lease_ms=LEASE)
    assert other.status is ClaimStatus.CLAIMED


async def test_the_clock_is_the_engines(ledger: JobLedger, inside: Inside) -> None:
    """To the millisecond."""
    before = await inside.now_ms()
    assert before <= await ledger.now_ms() <= await inside.now_ms()


async def test_a_job_is_a_key_that_a_walk_knows(
    ledger: JobLedger, store: Store, inside: Inside
) -> None:
    """It stays for good, in the first partition."""
    await claim(ledger, None, "a")
    assert await inside.all_keys() == [inside.keys.job(JOB)]
    await walk(store, inside)
