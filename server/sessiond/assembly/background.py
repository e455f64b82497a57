"""Builds the jobs of a server, and what they show of themselves."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sessiond.domain.schedule import Schedule
from sessiond.jobs.directory import UserDirectory
from sessiond.jobs.orphans import OrphansJob
from sessiond.jobs.runner import JobRunner, RunLimits
from sessiond.jobs.scheduler import Scheduler
from sessiond.jobs.stats import StatsJob
from sessiond.ops.metrics import JobFigures
from sessiond.service.jobs import Jobs
from sessiond.service.orphans import Orphans
from sessiond.service.statistics import Statistician
from sessiond.settings import Settings
from sessiond.store.job_ledger import JobLedger


@dataclass(frozen=True, slots=True)
class Background:
    """The jobs: as operators see them, as they run, and how they went."""

    jobs: Jobs
    scheduler: Scheduler
    figures: JobFigures


def background(
    settings: Settings,
    ledger: JobLedger,
    statistician: Statistician,
    orphans: Orphans,
    ready: Callable[[], Awaitable[object]],
) -> Background:
    """All jobs with their settings; nothing runs yet.

    Args:
        settings: of this server.
        ledger: of the fleet.
        statistician: what the stats job calls.
        orphans: what the orphans job calls.
        ready: waits until the store can be used.

    Raises:
        StartupError: a file of the user directory cannot be used.
    """
    every_job = (
        StatsJob(
            statistician, _schedule(settings.stats_schedule), warn_live=settings.stats_warn_live
        ),
        OrphansJob(
            orphans,
            _directory(settings),
            _schedule(settings.orphans_schedule),
            max_missing=settings.user_directory_max_missing,
        ),
    )
    figures = JobFigures(job.name for job in every_job)
    limits = RunLimits(timeout_s=settings.job_timeout.total_seconds())
    server = f"{socket.gethostname()}:{os.getpid()}"

    async def show_news() -> None:
        if settings.ops_listen:
            figures.show(await jobs.list())

    scheduler = Scheduler(
        [
            JobRunner(job, ledger, server=server, limits=limits, on_run=figures.ran)
            for job in every_job
        ],
        ledger.now_ms,
        ready=ready,
        on_news=show_news,
        jitter_s=settings.job_jitter.total_seconds(),
    )
    jobs = Jobs(every_job, ledger, scheduler.start)
    return Background(jobs, scheduler, figures)


def _schedule(expression: str) -> Schedule | None:
    return Schedule(expression) if expression else None


def _directory(settings: Settings) -> UserDirectory | None:
    if not settings.user_directory:
        return None
    return UserDirectory(
        settings.user_directory,
        ca_file=settings.user_directory_ca_file,
        token_file=settings.user_directory_token_file,
        plaintext=settings.user_directory_plaintext,
    )
