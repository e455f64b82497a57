"""Claims one job for this server, runs it under a lease, and tells the fleet how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from sessiond.domain.errors import SessionStoreError, StoreUnavailableError
from sessiond.domain.jobs import JobOutcome, JobResult, Progress
from sessiond.jobs.lease import Lease, LeaseLostError
from sessiond.service import faults
from sessiond.service.jobs import Job
from sessiond.store.job_ledger import GIVEN_UP, Claim, JobLedger

OnRun = Callable[[str, JobOutcome], None]
"""Is told of each run of a job that ended on this server."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How long a run may go on; in seconds."""

    timeout_s: float = 1800.0
    """For one attempt, from its begin."""
    lease_s: float = 30.0
    """How long a server that is gone keeps others from taking its run over."""


class JobRunner:
    """One job on this server."""

    def __init__(
        self, job: Job, ledger: JobLedger, *, server: str, limits: RunLimits, on_run: OnRun
    ) -> None:
        self.job: Final = job
        self._ledger = ledger
        self._server = server
        self._limits = limits
        self._on_run = on_run
        self._log = structlog.get_logger("sessiond.jobs")

    async def claim(self, slot_ms: int | None) -> tuple[Claim, Lease]:
        """Claim a slot, or a run on request if there is none; perform it if it was granted."""
        lease = Lease(self._ledger, self.job.name, self._server, self._limits.lease_s)
        claim = await lease.claim(slot_ms)
        if claim.given_up:
            self._log.error("job_given_up", job=self.job.name, message=GIVEN_UP)
            self._on_run(self.job.name, JobOutcome.FAILED)
        return claim, lease

    async def perform(self, lease: Lease) -> None:
        """Run the job, and record how it went unless the run is lost on the way."""
        try:
            async with lease.held():
                await self._finish(lease, await self._result(lease.progress))
        except asyncio.CancelledError:
            await lease.release()
            raise
        except LeaseLostError:
            self._log.warning("job_lost", job=self.job.name, run=lease.run)
        except Exception as error:  # noqa: BLE001  the lease runs out, and another one takes over
            kind = type(error).__name__
            self._log.warning("job_interrupted", job=self.job.name, run=lease.run, error=kind)

    async def _result(self, progress: Progress) -> JobResult:
        """What the job came to.

        Raises:
            StoreUnavailableError: it cannot go on, and another server may.
        """
        bound = asyncio.timeout(self._limits.timeout_s)
        try:
            async with bound:
                return await self.job.run(progress)
        except StoreUnavailableError:
            raise
        except SessionStoreError as error:
            return JobResult(error.message, outcome=JobOutcome.FAILED)
        except Exception as error:  # noqa: BLE001  whatever it is, the run has ended
            if bound.expired():
                message = f"not done within {self._limits.timeout_s:g} s"
                return JobResult(message, outcome=JobOutcome.TIMED_OUT)
            kind = type(error).__name__
            frames = faults.frames(error)
            self._log.error("job_fault", job=self.job.name, error=kind, frames=frames)
            return JobResult(f"a fault in the job: {kind}", outcome=JobOutcome.FAILED)

    async def _finish(self, lease: Lease, result: JobResult) -> None:
        name, outcome = self.job.name, result.outcome
        run = await self._ledger.finish(name, lease.run, outcome, result.message, result.payload)
        if run is None:
            raise LeaseLostError
        tell = self._log.info if outcome is JobOutcome.SUCCEEDED else self._log.warning
        tell(
            "job_ended",
            job=name,
            outcome=outcome.name,
            message=result.message,
            duration_s=run.duration_ms / 1000,
            attempts=run.attempts,
        )
        self._on_run(name, outcome)
