"""What Prometheus is told of jobs and failovers."""

from __future__ import annotations

import pytest

from sessiond.domain.jobs import JobOutcome, JobRecord, JobRun
from sessiond.ops.metrics import JobFigures, Metrics
from sessiond.service.jobs import JobStatus
from sessiond.service.reassertion import ReassertionFigures
from tests.ops.scraping import Samples, parsed


@pytest.fixture
def figures() -> JobFigures:
    """Of jobs that never ran."""
    return JobFigures(["stats", "orphans"])


async def shown(figures: JobFigures) -> Samples:
    """What a scrape finds."""
    metrics = Metrics("1.0")
    metrics.show_jobs(figures)
    return parsed(await metrics.text())


async def test_what_is_not_known_is_not_shown(figures: JobFigures) -> None:
    """A job that never ran has no last duration, not one of zero."""
    figures.show([JobStatus("stats", "", "", 0, JobRecord())])
    samples = await shown(figures)
    assert not [sample for sample in samples if sample[0].startswith("sessiond_job_last")]


async def test_runs_are_counted_by_outcome(figures: JobFigures) -> None:
    """Those of this server; what did not happen yet is zero, so that it is a rise when it does."""
    for outcome in (JobOutcome.SUCCEEDED, JobOutcome.SUCCEEDED, JobOutcome.TIMED_OUT):
        figures.ran("stats", outcome)
    samples = await shown(figures)
    assert samples["sessiond_job_runs_total", "stats", "succeeded"] == 2
    assert samples["sessiond_job_runs_total", "stats", "timed_out"] == 1
    assert samples["sessiond_job_runs_total", "orphans", "failed"] == 0


async def test_the_last_run_of_a_job_is_shown(figures: JobFigures) -> None:
    """Its duration and end, and the last success, which may have been another one."""
    run = JobRun(1_000_000, 2_500, JobOutcome.FAILED, "", 1)
    record = JobRecord(last_run=run, success_ms=900_000)
    never = JobStatus("orphans", "", "", 0, JobRecord())
    figures.show([JobStatus("stats", "", "", 0, record), never])
    samples = await shown(figures)
    assert samples["sessiond_job_last_duration_seconds", "stats"] == 2.5
    assert samples["sessiond_job_last_end_timestamp_seconds", "stats"] == 1002.5
    assert samples["sessiond_job_last_success_timestamp_seconds", "stats"] == 900
    assert not [sample for sample in samples if "last" in sample[0] and "orphans" in sample]


async def test_failovers_are_shown_with_what_became_of_endings() -> None:
    """Asked at each scrape."""
    figures = [ReassertionFigures(2, 30, 4), ReassertionFigures()]
    metrics = Metrics("1.0")
    metrics.show_failovers(figures.pop)
    await metrics.text()
    samples = parsed(await metrics.text())
    assert samples["sessiond_store_failovers_total",] == 2
    assert samples["sessiond_endings_reasserted_total",] == 30
    assert samples["sessiond_endings_restored_total",] == 4
