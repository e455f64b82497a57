"""How the jobs went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric

from sessiond.domain.jobs import JobOutcome
from sessiond.ops.metrics import catalogue
from sessiond.ops.metrics.catalogue import Labels
from sessiond.service.jobs import JobStatus


class JobFigures:
    """Runs that ended here, and what the fleet knows of each job."""

    def __init__(self) -> None:
        self.runs: Counter[tuple[str, JobOutcome]] = Counter()
        self.latest: tuple[JobStatus, ...] = ()

    def ran(self, job: str, outcome: JobOutcome) -> None:
        """Count a run."""
        self.runs[job, outcome] += 1

    def show(self, jobs: Iterable[JobStatus]) -> None:
        """Show how the jobs last went, wherever they ran."""
        self.latest = tuple(jobs)


def job_metrics(figures: JobFigures) -> Iterator[Metric]:
    """Those of all jobs. A job that never ran shows nothing."""
    runs: dict[Labels, float] = {
        (job, outcome.name.lower()): n for (job, outcome), n in figures.runs.items()
    }
    yield catalogue.JOB_RUNS.by(runs)
    last = {job.name: run for job in figures.latest if (run := job.record.last_run)}
    yield catalogue.JOB_DURATION.by({(name,): run.duration_ms / 1000 for name, run in last.items()})
    yield catalogue.JOB_ENDED.by(
        {(name,): (run.begin_ms + run.duration_ms) / 1000 for name, run in last.items()}
    )
    yield catalogue.JOB_SUCCEEDED.by(
        {
            (job.name,): job.record.success_ms / 1000
            for job in figures.latest
            if job.record.success_ms
        }
    )
