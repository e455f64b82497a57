"""What operators see of the jobs, and how they start one."""

from __future__ import annotations

import pytest

from sessiond.domain.errors import JobNotFoundError, JobRunningError
from sessiond.domain.jobs import JobOutcome, JobRecord
from sessiond.service.jobs import Jobs
from sessiond.store.job_ledger import JobLedger
from tests.jobs.fleet import HOURLY, NAME, Chore, Fleet, ended
from tests.store.kit import HOUR


async def test_every_job_is_listed_by_name(fleet: Fleet, ledger: JobLedger) -> None:
    """With its schedule and when it is due next by the engine's clock; one that never ran too."""
    later = Chore(name="sweeping", schedule=None, description="Sweeps.")
    jobs = Jobs([later, Chore()], ledger, fleet.server(later).scheduler.start)
    due, on_request = await jobs.list()
    assert (due.name, due.schedule, due.record) == (NAME, "0 * * * *", JobRecord())
    assert due.next_ms == HOURLY.next_ms(await ledger.now_ms())
    assert (on_request.name, on_request.description) == ("sweeping", "Sweeps.")
    assert (on_request.schedule, on_request.next_ms) == ("", 0)


async def test_a_job_that_is_started_tells_how_it_went(fleet: Fleet, ledger: JobLedger) -> None:
    """In the list, once it has ended."""
    chore = Chore(schedule=None)
    member = fleet.server(chore)
    jobs = Jobs([chore], ledger, member.scheduler.start)
    assert (await jobs.run(NAME)).record.server == member.name
    await ended(ledger)
    (status,) = await jobs.list()
    assert status.record.last_run is not None
    assert status.record.last_run.outcome is JobOutcome.SUCCEEDED


async def test_a_job_that_nobody_knows_is_not_found(fleet: Fleet, ledger: JobLedger) -> None:
    """The refusal names those that there are."""
    chores = [Chore(name="sweeping"), Chore()]
    jobs = Jobs(chores, ledger, fleet.server(chores[0]).scheduler.start)
    with pytest.raises(JobNotFoundError) as refused:
        await jobs.run("sweep")
    assert refused.value.metadata == {"job": "sweep", "jobs": "chore, sweeping"}


async def test_a_job_that_runs_elsewhere_is_not_started(fleet: Fleet, ledger: JobLedger) -> None:
    """And stays with the server that has it."""
    chore = Chore(schedule=None)
    jobs = Jobs([chore], ledger, fleet.server(chore).scheduler.start)
    await ledger.claim(NAME, "other", "other:1", slot_ms=None, lease_ms=HOUR)
    with pytest.raises(JobRunningError):
        await jobs.run(NAME)
    assert (await jobs.list())[0].record.server == "other:1"
    assert chore.begun == 0
