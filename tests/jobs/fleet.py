"""Servers that attend to one job on one store, by a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from sessiond.domain.jobs import JobOutcome, JobResult, Progress
from sessiond.domain.schedule import Schedule
from sessiond.jobs.runner import JobRunner, RunLimits
from sessiond.jobs.scheduler import Scheduler
from sessiond.service.jobs import Job
from sessiond.store.job_ledger import JobLedger
from tests.engines import Engine
from tests.store.inside import Inside, open_store, scripts_of, until
from tests.store.kit import HOUR

NAME: Final = "chore"
HOURLY: Final = Schedule("0 * * * *")
START_MS: Final = 1_900_000_000_000
"""In the middle of an hour."""

_LIMITS: Final = RunLimits()

Work = Callable[[Progress], Awaitable[JobResult]]


def ledger_of(inside: Inside) -> JobLedger:
    """A ledger over a test's own connection."""
    return JobLedger(scripts_of(inside))


async def at_once(_: Progress) -> JobResult:
    """Work that is done before it is begun."""
    return JobResult("done")


@dataclass
class Chore:
    """A job that does what a test says, and keeps count."""

    work: Work = at_once
    schedule: Schedule | None = HOURLY
    name: str = NAME
    description: str = "Does what a test says."
    begun: int = 0
    ended: int = 0
    """Counts every run that was begun and is no longer going on."""
    most_at_once: int = 0

    async def run(self, progress: Progress) -> JobResult:
        self.begun += 1
        self.most_at_once = max(self.most_at_once, self.begun - self.ended)
        try:
            return await self.work(progress)
        finally:
            self.ended += 1


@dataclass
class Clock:
    """Stands still until a test moves it on; sleepers wake by it."""

    now_ms: int = START_MS
    _wakings: list[float] = field(default_factory=list)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def asleep(self) -> int:
        """How many sleep and are not due to wake."""
        return sum(at_ms > self.now_ms for at_ms in self._wakings)

    async def read(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        at_ms = self.now_ms + seconds * 1000
        async with self._moved:
            self._wakings.append(at_ms)
            try:
                self._moved.notify_all()
                await self._moved.wait_for(lambda: self.now_ms >= at_ms)
            finally:
                self._wakings.remove(at_ms)

    async def move(self, ms: int) -> None:
        """Let so much time pass, and wake who is due."""
        async with self._moved:
            self.now_ms += ms
            self._moved.notify_all()

    async def until_asleep(self, number: int) -> None:
        """Wait until so many sleep: they have done all that they had to do."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.asleep == number)


@dataclass
class Member:
    """One server of the fleet, or what of it attends to the job."""

    name: str
    scheduler: Scheduler
    ledger: JobLedger
    inside: Inside
    outcomes: list[JobOutcome] = field(default_factory=list)
    news: int = 0
    _running: asyncio.Task[None] | None = None

    @property
    def attends(self) -> bool:
        return self._running is not None

    def begin(self) -> None:
        self._running = asyncio.create_task(self.scheduler.run())

    async def stop(self) -> None:
        """End it in order."""
        task, self._running = self._running, None
        if task:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class Fleet:
    """All servers of a store."""

    def __init__(self, engine: Engine, inside: Inside) -> None:
        self.clock = Clock()
        self.members: list[Member] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self._engine = engine
        self._prefix = inside.prefix

    def server(self, chore: Job, limits: RunLimits = _LIMITS, *, jitter_s: float = 0) -> Member:
        """Add a server with connections of its own."""
        _, inside = open_store(self._engine, self._prefix)
        ledger, name = ledger_of(inside), f"server-{len(self.members)}:1"

        async def on_news() -> None:
            member.news += 1

        runner = JobRunner(
            chore,
            ledger,
            server=name,
            limits=limits,
            on_run=lambda _, outcome: member.outcomes.append(outcome),
        )
        scheduler = Scheduler(
            [runner],
            self.clock.read,
            ready=self.ready.wait,
            on_news=on_news,
            jitter_s=jitter_s,
            sleep=self.clock.sleep,
        )
        member = Member(name, scheduler, ledger, inside)
        self.members.append(member)
        member.begin()
        return member

    async def rest(self) -> None:
        """Wait until every server has nothing left to do."""
        await self.clock.until_asleep(sum(member.attends for member in self.members))

    async def next_slot(self) -> None:
        """Go on to the next full hour, and wait until all is done that is due then."""
        await self.clock.move(HOUR)
        await self.rest()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for member in self.members:
            await member.stop()
            await member.inside.runner.close()


async def until_true(condition: Callable[[], bool]) -> None:
    """Let the loop go round until it is so; pytest's timeout ends a wait in vain."""
    while not condition():  # noqa: ASYNC110  nobody signals it
        await asyncio.sleep(0)


async def ended(ledger: JobLedger) -> None:
    """Wait until no run of the job is going on and one has ended."""

    async def over() -> bool:
        record = await ledger.read(NAME)
        return record.last_run is not None and not record.running

    await until(over)
