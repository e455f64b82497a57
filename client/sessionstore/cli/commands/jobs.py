"""`sessionctl jobs`."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import RenderableType

from sessionstore.admin_types import Job, JobOutcome, JobRun
from sessionstore.cli.command import Cli
from sessionstore.cli.durations import ago, short
from sessionstore.cli.exits import Failure
from sessionstore.cli.tables import plain, table

_POLL_S = 0.5

Name = Annotated[str, typer.Argument(help="The job, as jobs list names it.", metavar="JOB")]


def list_jobs(cli: Cli) -> None:
    """List the background jobs of the fleet: when they are due, and what became of them."""
    found = cli.admin.jobs()
    made = table("JOB", "SCHEDULE", "NEXT", "STATE", "SINCE", "RESULT", whole=("JOB", "SCHEDULE"))
    for job in found:
        made.add_row(
            job.name,
            job.schedule or "on request",
            ago(job.next_time),
            _state(job),
            ago(job.start_time),
            _result(job.last_run),
        )
    cli.output.show({"jobs": found}, made)


def run_job(
    cli: Cli,
    name: Name,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended.")] = False,
) -> None:
    """Start a job now, beside its schedule.

    With --wait, exits with 1 unless it succeeds. Exits with 3 if there is no such job.
    """
    started = cli.admin.run_job(name)
    if not wait:
        cli.output.show(started, f"{plain(name)} runs on {started.server}")
        return
    run = _outcome(cli, started)
    cli.output.show(run, _result(run))
    if run.outcome != JobOutcome.SUCCEEDED:
        raise Failure(f"the job {name} did not succeed")


def _outcome(cli: Cli, started: Job) -> JobRun:
    """Wait until the run that was started has ended, on whichever server."""
    with cli.output.progress(started.name) as bar:
        while True:
            job = next(job for job in cli.admin.jobs() if job.name == started.name)
            bar.at(job.progress_done, job.progress_total)
            if job.last_run and not (job.running or job.last_run == started.last_run):
                return job.last_run
            time.sleep(_POLL_S)


def _state(job: Job) -> str:
    if job.running:
        total = f"/{job.progress_total:,}" if job.progress_total else ""
        return f"running {job.progress_done:,}{total}"
    return job.last_run.outcome if job.last_run else "never ran"


def _result(run: JobRun | None) -> RenderableType:
    return f"{plain(run.message)} ({short(run.duration)})" if run else ""
