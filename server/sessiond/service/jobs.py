"""The jobs of the fleet, for operators: what there is, how it went, and a run on request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from sessiond.domain.errors import JobNotFoundError
from sessiond.domain.jobs import JobRecord, JobResult, Progress
from sessiond.domain.schedule import Schedule
from sessiond.store.job_ledger import JobLedger


class Job(Protocol):
    """A piece of background work. It must bear to be run again after it was left half-way."""

    @property
    def name(self) -> str:
        """What it is called: letters."""

    @property
    def description(self) -> str:
        """What it does, in one sentence."""

    @property
    def schedule(self) -> Schedule | None:
        """When it is due; None if it runs on request only."""

    async def run(self, progress: Progress) -> JobResult:
        """Do it.

        A StoreUnavailableError leaves the run to whichever server takes it over; any other error
        ends it as FAILED.
        """


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job, and what the fleet knows of it."""

    name: str
    description: str
    schedule: str
    """A cron expression in UTC; empty if it runs on request only."""
    next_ms: int
    """When it is due next; 0 without a schedule."""
    record: JobRecord


class Jobs:
    """Every method may raise StoreUnavailableError."""

    def __init__(
        self, jobs: Iterable[Job], ledger: JobLedger, start: Callable[[str], Awaitable[None]]
    ) -> None:
        """Set what there is.

        Args:
            jobs: of this server.
            ledger: tells how they went, wherever they ran.
            start: begins a run of the job that it names, and returns once it is this server's; it
                raises JobRunningError.
        """
        self._jobs = {job.name: job for job in sorted(jobs, key=lambda job: job.name)}
        self._ledger = ledger
        self._start = start

    async def list(self) -> tuple[JobStatus, ...]:
        """Every job, by name."""
        return tuple(await asyncio.gather(*map(self._status, self._jobs.values())))

    async def run(self, name: str) -> JobStatus:
        """Begin a run beside the schedule.

        Raises:
            JobNotFoundError: there is no such job.
            JobRunningError: it is running already, on this server or another.
        """
        job = self._jobs.get(name)
        if job is None:
            there_are = ", ".join(self._jobs)
            raise JobNotFoundError("there is no such job", job=name, jobs=there_are)
        await self._start(name)
        return await self._status(job)

    async def _status(self, job: Job) -> JobStatus:
        record, now_ms = await asyncio.gather(self._ledger.read(job.name), self._ledger.now_ms())
        schedule = job.schedule
        return JobStatus(
            name=job.name,
            description=job.description,
            schedule=schedule.expression if schedule else "",
            next_ms=schedule.next_ms(now_ms) if schedule else 0,
            record=record,
        )
