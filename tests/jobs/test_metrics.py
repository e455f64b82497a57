"""Metrics, as Prometheus scrapes them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sessiond.domain.errors import StartupError
from sessiond.domain.jobs import JobOutcome, JobRecord, JobRun
from sessiond.ops.metrics import Metrics
from sessiond.service.jobs import JobStatus
from sessiond.service.reassertion import ReassertionFigures
from tests.jobs.scraping import scrape


@pytest.fixture
def metrics() -> Metrics:
    """Metrics with nothing to show."""
    return Metrics()


@pytest.fixture
def address(metrics: Metrics) -> Iterator[str]:
    """Where they are served."""
    where, stop = metrics.serve("127.0.0.1:0")
    yield where
    stop()


def test_what_is_not_known_is_not_shown(address: str) -> None:
    """A job that never ran has no last duration, not one of zero."""
    assert scrape(address) == {("sessiond_users",): 0.0}


def test_runs_are_counted_by_outcome(metrics: Metrics, address: str) -> None:
    """Those of this server."""
    for outcome in (JobOutcome.SUCCEEDED, JobOutcome.SUCCEEDED, JobOutcome.TIMED_OUT):
        metrics.ran("stats", outcome)
    samples = scrape(address)
    assert samples["sessiond_job_runs_total", "stats", "succeeded"] == 2
    assert samples["sessiond_job_runs_total", "stats", "timed_out"] == 1


def test_the_last_run_of_a_job_is_shown(metrics: Metrics, address: str) -> None:
    """Its duration and end, and the last success, which may have been another one."""
    run = JobRun(1_000_000, 2_500, JobOutcome.FAILED, "", 1)
    record = JobRecord(last_run=run, success_ms=900_000)
    never = JobStatus("orphans", "", "", 0, JobRecord())
    metrics.show_jobs([JobStatus("stats", "", "", 0, record), never])
    samples = scrape(address)
    assert samples["sessiond_job_last_duration_seconds", "stats"] == 2.5
    assert samples["sessiond_job_last_end_timestamp_seconds", "stats"] == 1002.5
    assert samples["sessiond_job_last_success_timestamp_seconds", "stats"] == 900
    assert not [name for name in samples if "orphans" in name]


def test_sessions_are_shown_by_state(metrics: Metrics, address: str) -> None:
    """The sum over the states is the total."""
    metrics.show_sessions(live=7, ended=3, users=5)
    samples = scrape(address)
    assert samples["sessiond_sessions", "live"] == 7
    assert samples["sessiond_sessions", "ended"] == 3
    assert samples["sessiond_users",] == 5


def test_failovers_are_shown_with_what_became_of_endings(metrics: Metrics, address: str) -> None:
    """Asked at each scrape."""
    figures = [ReassertionFigures(2, 30, 4), ReassertionFigures()]
    metrics.show_failovers(figures.pop)
    scrape(address)
    samples = scrape(address)
    assert samples["sessiond_store_failovers_total",] == 2
    assert samples["sessiond_endings_reasserted_total",] == 30
    assert samples["sessiond_endings_restored_total",] == 4


def test_an_address_in_use_is_refused(metrics: Metrics) -> None:
    """With a sentence that names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartupError, match=f"cannot listen on {listen}: "):
            metrics.serve(listen)


def test_a_port_that_is_none_is_refused(metrics: Metrics) -> None:
    """As an address in use is."""
    with pytest.raises(StartupError, match="a port is at most 65535"):
        metrics.serve("127.0.0.1:70000")
