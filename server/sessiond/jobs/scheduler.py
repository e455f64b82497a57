"""Attends to the jobs of a server: runs what is due, once in the fleet, and what is asked for.

Every server looks at every job, on a clock that is behind the engine's by a random part of the
jitter. Whichever is first claims the slot; the others see that it is taken, and look again when the
lease would have run out.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from sessiond.domain.errors import JobRunningError
from sessiond.domain.schedule import Schedule
from sessiond.jobs.runner import JobRunner
from sessiond.store.job_ledger import ClaimStatus

Clock = Callable[[], Awaitable[int]]
Sleep = Callable[[float], Awaitable[object]]

_LOOK_S: Final = 60.0
"""The longest rest between two looks: what is found then is a clock that was set, a run on request
whose server was lost, or what a run on another server came to."""
_RETRY_S: Final = 5.0
_RANDOM: Final = secrets.SystemRandom()


class Scheduler:
    """The jobs of one server."""

    def __init__(
        self,
        runners: Iterable[JobRunner],
        clock: Clock,
        *,
        ready: Callable[[], Awaitable[object]],
        on_news: Callable[[], Awaitable[None]],
        jitter_s: float,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Set what is attended to.

        Args:
            runners: one a job. A job without a schedule only runs when it is started.
            clock: the engine's, in ms since the Unix epoch.
            ready: waits until the store can be used.
            on_news: is called at first, and whenever a run of any job has ended, on any server.
            jitter_s: how late a slot is claimed, at most, in seconds.
            sleep: waits for so many seconds.
        """
        self._runners = {runner.job.name: runner for runner in runners}
        self._clock = clock
        self._ready = ready
        self._on_news = on_news
        self._jitter_s = jitter_s
        self._sleep = sleep
        self._ended: dict[str, str] = {}
        self._started: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("sessiond.jobs")

    async def run(self) -> None:
        """Attend until cancelled; runs that are going on then are left to other servers."""
        try:
            async with asyncio.TaskGroup() as group:
                for runner in self._runners.values():
                    if runner.job.schedule:
                        group.create_task(self._attend(runner, runner.job.schedule))
                await asyncio.Event().wait()
        finally:
            for task in self._started:
                task.cancel()
            await asyncio.gather(*self._started, return_exceptions=True)

    async def start(self, name: str) -> None:
        """Begin a run of a job beside its schedule; return once this server has claimed it.

        Raises:
            JobRunningError: it is running, here or elsewhere.
            StoreUnavailableError: the run may have been claimed, and is then taken over.
        """
        # Whoever asked may leave before the claim is answered; it would be granted all the same.
        starting = asyncio.create_task(self._start(self._runners[name]))
        self._started.add(starting)
        starting.add_done_callback(self._take)
        await asyncio.shield(starting)

    def _take(self, started: asyncio.Task[None]) -> None:
        """Be done with a task; whoever asked for it may not be there to hear why it failed."""
        self._started.discard(started)
        if not started.cancelled():
            started.exception()

    async def _start(self, runner: JobRunner) -> None:
        claim, lease = await runner.claim(None)
        if claim.status is not ClaimStatus.CLAIMED:
            raise JobRunningError(
                "the job is running already", job=runner.job.name, server=claim.server
            )
        task = asyncio.create_task(runner.perform(lease))
        self._started.add(task)
        task.add_done_callback(self._take)

    async def _attend(self, runner: JobRunner, schedule: Schedule) -> None:
        while True:
            try:
                await self._ready()
                rest_s = await self._turn(runner, schedule)
            except Exception as error:  # noqa: BLE001  callers are served without jobs too
                self._log.warning("job_skipped", job=runner.job.name, error=type(error).__name__)
                rest_s = _RETRY_S
            await self._sleep(min(rest_s, _LOOK_S))

    async def _turn(self, runner: JobRunner, schedule: Schedule) -> float:
        """Run what is due; how long there is nothing to do after that, in seconds."""
        late_ms = await self._clock() - int(_RANDOM.uniform(0, self._jitter_s) * 1000)
        claim, lease = await runner.claim(schedule.latest_ms(late_ms))
        if claim.status is ClaimStatus.CLAIMED:
            await runner.perform(lease)
            return 0.0
        if claim.status is ClaimStatus.BUSY:
            return (claim.lease_ms - claim.now_ms) / 1000
        if self._ended.get(runner.job.name) != claim.ended:
            await self._on_news()
            self._ended[runner.job.name] = claim.ended
        return (schedule.next_ms(late_ms) - late_ms) / 1000
