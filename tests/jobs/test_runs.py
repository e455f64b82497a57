"""How a run goes on and how it ends: well, by a fault, by its time, or by losing its lease."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from sessiond.domain.errors import SessionNotFoundError, StoreUnavailableError
from sessiond.domain.jobs import JobOutcome, JobResult, JobRun, Progress
from sessiond.jobs.runner import RunLimits
from sessiond.store.job_ledger import MOST_ATTEMPTS, ClaimStatus, JobLedger
from tests.jobs.fleet import NAME, Chore, Fleet, Member, Work, ended, until_true
from tests.store.inside import Inside, until
from tests.store.kit import HOUR

SHORT = RunLimits(lease_s=0.8)
SECRET = "srt1_secret"


async def forever(_: Progress) -> JobResult:
    """Work that comes to no end."""
    await asyncio.Event().wait()
    raise AssertionError


def raising(error: Exception) -> Work:
    """Work that fails."""

    async def fail(_: Progress) -> JobResult:
        raise error

    return fail


async def run_once(fleet: Fleet, work: Work, limits: RunLimits = SHORT) -> Member:
    """A server that has run the work once, on request."""
    member = fleet.server(Chore(work, schedule=None), limits)
    await member.scheduler.start(NAME)
    await ended(member.ledger)
    return member


async def last_run(ledger: JobLedger) -> JobRun:
    """The run that ended last."""
    run = (await ledger.read(NAME)).last_run
    assert run is not None
    return run


async def test_what_a_run_came_to_is_kept_and_logged(fleet: Fleet, ledger: JobLedger) -> None:
    """Its message for people, its payload for programs."""

    async def work(_: Progress) -> JobResult:
        return JobResult("41 found", '{"found": 41}')

    with capture_logs() as lines:
        member = await run_once(fleet, work)
    record = await ledger.read(NAME)
    assert (record.payload, record.server) == ('{"found": 41}', member.name)
    run = await last_run(ledger)
    assert (run.outcome, run.message) == (JobOutcome.SUCCEEDED, "41 found")
    (line,) = lines
    assert line == {
        "event": "job_ended",
        "log_level": "info",
        "job": NAME,
        "outcome": "SUCCEEDED",
        "message": "41 found",
        "duration_s": run.duration_ms / 1000,
        "attempts": 1,
    }
    assert member.outcomes == [JobOutcome.SUCCEEDED]


async def test_a_refusal_is_a_warning(fleet: Fleet, ledger: JobLedger) -> None:
    """The job says itself that it would not go on."""

    async def work(_: Progress) -> JobResult:
        return JobResult("too many are missing", outcome=JobOutcome.REFUSED)

    with capture_logs() as lines:
        member = await run_once(fleet, work)
    assert (await last_run(ledger)).outcome is JobOutcome.REFUSED
    assert [line["log_level"] for line in lines] == ["warning"]
    assert member.outcomes == [JobOutcome.REFUSED]
    assert (await ledger.read(NAME)).success_ms == 0


async def test_a_run_is_held_for_as_long_as_it_takes(fleet: Fleet, ledger: JobLedger) -> None:
    """Its lease is renewed, and the others see how far it is."""
    go_on = asyncio.Event()

    async def work(progress: Progress) -> JobResult:
        await progress(7, 10)
        await go_on.wait()
        return JobResult("done")

    member = fleet.server(Chore(work, schedule=None), SHORT)
    await member.scheduler.start(NAME)
    first_ms = await ledger.now_ms()

    async def far_past_its_lease() -> bool:
        return await ledger.now_ms() > first_ms + 3 * SHORT.lease_s * 1000

    await until(far_past_its_lease)
    record = await ledger.read(NAME)
    assert (record.running, record.done, record.total) == (True, 7, 10)
    go_on.set()
    await ended(ledger)
    assert (await last_run(ledger)).attempts == 1


async def test_a_run_that_was_taken_over_stops(
    fleet: Fleet, ledger: JobLedger, inside: Inside
) -> None:
    """And neither its result nor its end is recorded."""
    chore = Chore(forever, schedule=None)
    with capture_logs() as lines:
        member = fleet.server(chore, SHORT)
        await member.scheduler.start(NAME)
        await until_true(lambda: chore.begun == 1)

        async def taken_over() -> bool:
            await inside.let_pass(HOUR)
            claim = await ledger.claim(NAME, "other", "other:1", slot_ms=None, lease_ms=HOUR)
            return claim.status is ClaimStatus.CLAIMED

        await until(taken_over)
        await until_true(lambda: chore.ended == 1 and bool(lines))
    assert [line["event"] for line in lines] == ["job_lost"]
    record = await ledger.read(NAME)
    assert (record.running, record.server, record.last_run) == (True, "other:1", None)
    assert member.outcomes == []


async def test_a_run_stops_when_its_lease_cannot_be_renewed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before another server could take it over."""
    chore = Chore(forever, schedule=None)
    member = fleet.server(chore, SHORT)
    monkeypatch.setattr(member.ledger, "renew", _out_of_reach)
    with capture_logs() as lines:
        began = asyncio.get_running_loop().time()
        await member.scheduler.start(NAME)
        await until_true(lambda: chore.ended == 1 and bool(lines))
    assert asyncio.get_running_loop().time() - began >= SHORT.lease_s * 0.9
    assert [line["event"] for line in lines] == ["job_lost"]


async def test_a_moment_without_the_store_does_not_end_a_run(
    fleet: Fleet, ledger: JobLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the lease has not run out."""
    go_on, failed = asyncio.Event(), asyncio.Event()

    async def work(_: Progress) -> JobResult:
        await go_on.wait()
        return JobResult("done")

    async def fail(*_: object) -> bool:
        failed.set()
        raise StoreUnavailableError("the store does not answer")

    member = fleet.server(Chore(work, schedule=None), RunLimits(lease_s=1.5))
    with monkeypatch.context() as patch:
        patch.setattr(member.ledger, "renew", fail)
        await member.scheduler.start(NAME)
        await failed.wait()
    go_on.set()
    await ended(ledger)
    assert (await last_run(ledger)).outcome is JobOutcome.SUCCEEDED


async def test_a_run_that_takes_too_long_is_ended(fleet: Fleet, ledger: JobLedger) -> None:
    """It is recorded as timed out, and not begun again for the same slot."""
    await run_once(fleet, forever, RunLimits(timeout_s=0.05))
    run = await last_run(ledger)
    assert (run.outcome, run.message) == (JobOutcome.TIMED_OUT, "not done within 0.05 s")


async def test_a_timeout_of_the_jobs_own_is_a_fault(fleet: Fleet, ledger: JobLedger) -> None:
    """It is not the run's time that was up."""
    await run_once(fleet, raising(TimeoutError()))
    run = await last_run(ledger)
    assert (run.outcome, run.message) == (JobOutcome.FAILED, "a fault in the job: TimeoutError")


async def test_a_fault_is_recorded_without_its_text(
    fleet: Fleet, ledger: JobLedger, inside: Inside
) -> None:
    """Neither the store nor the log has it; the log has the places."""
    with capture_logs() as lines:
        member = await run_once(fleet, raising(KeyError(SECRET)))
    run = await last_run(ledger)
    assert (run.outcome, run.message) == (JobOutcome.FAILED, "a fault in the job: KeyError")
    assert SECRET not in f"{await inside.snapshot()} {lines}"
    fault, end = lines
    assert (fault["event"], fault["error"]) == ("job_fault", "KeyError")
    assert any("test_runs.py" in frame for frame in fault["frames"])
    assert (end["event"], end["log_level"]) == ("job_ended", "warning")
    assert member.outcomes == [JobOutcome.FAILED]


async def test_an_error_of_ours_is_recorded_with_its_words(fleet: Fleet, ledger: JobLedger) -> None:
    """They never hold a secret."""
    await run_once(fleet, raising(SessionNotFoundError("there is no such session")))
    run = await last_run(ledger)
    assert (run.outcome, run.message) == (JobOutcome.FAILED, "there is no such session")


async def test_a_run_that_lost_the_store_is_left_to_its_lease(
    fleet: Fleet, ledger: JobLedger, inside: Inside
) -> None:
    """It has not failed: whoever takes it over begins again."""
    unavailable = StoreUnavailableError("the store does not answer")
    chore = Chore(raising(unavailable), schedule=None)
    with capture_logs() as lines:
        member = fleet.server(chore, RunLimits(lease_s=3600))
        await member.scheduler.start(NAME)
        await until_true(lambda: bool(lines))
    assert [line["event"] for line in lines] == ["job_interrupted"]
    record = await ledger.read(NAME)
    assert (record.running, record.last_run) == (True, None)
    await inside.let_pass(HOUR)
    again = await run_once(fleet, _well)
    assert (await last_run(ledger)).attempts == 2
    assert again.outcomes == [JobOutcome.SUCCEEDED]


async def test_a_run_that_takes_every_server_down_is_given_up(
    fleet: Fleet, ledger: JobLedger, inside: Inside
) -> None:
    """The server that finds out says so and counts it."""
    for number in range(MOST_ATTEMPTS):
        await ledger.claim(NAME, f"run-{number}", "gone:1", slot_ms=None, lease_ms=HOUR)
        await inside.let_pass(HOUR)
    with capture_logs() as lines:
        member = await run_once(fleet, _well)
    assert [line["event"] for line in lines] == ["job_given_up", "job_ended"]
    assert member.outcomes == [JobOutcome.FAILED, JobOutcome.SUCCEEDED]


async def _well(_: Progress) -> JobResult:
    return JobResult("done")


async def _out_of_reach(*_: object) -> bool:
    raise StoreUnavailableError("the store does not answer")
