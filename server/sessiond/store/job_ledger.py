"""The ledger of jobs: which server runs which job, and how it last ended. One hash a job.

A run is held by a lease. Once that has run out another server may take the run over, so a job must
bear to be run twice at the same time for as long as the first one does not notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sessiond.domain.jobs import JobOutcome, JobRecord, JobRun
from sessiond.store.script_set import ScriptSet

MOST_ATTEMPTS: Final = 3
GIVEN_UP: Final = f"given up: begun {MOST_ATTEMPTS} times, and each time its server was lost"


class ClaimStatus(StrEnum):
    """What became of a claim."""

    CLAIMED = "CLAIMED"
    """The run is this server's."""
    BUSY = "BUSY"
    """Another run holds the lease."""
    DONE = "DONE"
    """The slot was run before, or is the first that this store has seen."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim, as of `now_ms`."""

    status: ClaimStatus
    now_ms: int
    ended: str
    """Id of the run that ended last; empty if none has."""
    lease_ms: int
    """When the lease runs out."""
    server: str
    attempts: int
    begin_ms: int
    given_up: bool
    """Whether this claim found an abandoned run that had been begun too often."""


class JobLedger:
    """Every method may raise StoreUnavailableError, and may then be repeated."""

    def __init__(self, scripts: ScriptSet) -> None:
        self._scripts = scripts
        self._keys = scripts.keys

    async def now_ms(self) -> int:
        """The engine's clock."""
        return await self._scripts.now_ms()

    async def claim(
        self, name: str, run: str, server: str, *, slot_ms: int | None, lease_ms: int
    ) -> Claim:
        """Claim a job.

        Args:
            name: of the job.
            run: an id for the run, never used before.
            server: who asks.
            slot_ms: the latest slot that is due; None begins a run beside the schedule.
            lease_ms: how long the run is this server's unless renewed.
        """
        reply = await self._run(
            "job_claim", name, slot_ms or 0, run, server, lease_ms, MOST_ATTEMPTS, GIVEN_UP
        )
        status, now, ended, lease, holder, attempts, begin, given_up = reply
        return Claim(
            status=ClaimStatus(status.decode()),
            now_ms=now,
            ended=ended.decode(),
            lease_ms=lease,
            server=holder.decode(),
            attempts=attempts,
            begin_ms=begin,
            given_up=given_up > 0,
        )

    async def renew(self, name: str, run: str, lease_ms: int, done: int, total: int) -> bool:
        """Hold a run for longer, and tell how far it is; False if another one has taken over."""
        return bool(await self._run("job_renew", name, run, lease_ms, done, total))

    async def release(self, name: str, run: str, done: int, total: int) -> None:
        """Leave a run, unfinished, to whoever asks next."""
        await self.renew(name, run, 0, done, total)

    async def finish(
        self, name: str, run: str, outcome: JobOutcome, message: str, payload: str
    ) -> JobRun | None:
        """End a run; None if another one has taken over. An empty payload leaves the one before."""
        reply = await self._run("job_finish", name, run, int(outcome), message, payload)
        if not reply:
            return None
        begin, duration, attempts = reply
        return JobRun(begin, duration, outcome, message, attempts)

    async def read(self, name: str) -> JobRecord:
        """What is known of a job; of one that never ran, nothing."""
        flat = await self._scripts.command("HGETALL", self._keys.job(name))
        words = [word.decode() for word in flat]
        fields = dict(zip(words[::2], words[1::2], strict=True))
        running = "run" in fields and int(fields["lease"]) > await self.now_ms()
        return JobRecord(
            running=running,
            server=fields.get("server", ""),
            done=int(fields.get("done", 0)),
            total=int(fields.get("total", 0)),
            begin_ms=int(fields.get("begin", 0)),
            last_run=_last_run(fields),
            success_ms=int(fields.get("success", 0)),
            payload=fields.get("payload", ""),
        )

    async def payload(self, name: str) -> str:
        """What the last run that ended well left; empty if none has."""
        found = await self._scripts.command("HGET", self._keys.job(name), "payload")
        return found.decode() if found else ""

    async def _run(self, script: str, *arguments: str | int) -> Any:
        return await self._scripts.run(script, self._keys.bases[0], arguments, idempotent=True)


def _last_run(fields: dict[str, str]) -> JobRun | None:
    if "ended" not in fields:
        return None
    return JobRun(
        begin_ms=int(fields["last_begin"]),
        duration_ms=int(fields["last_duration"]),
        outcome=JobOutcome(int(fields["last_outcome"])),
        message=fields["last_message"],
        attempts=int(fields["last_attempts"]),
    )
