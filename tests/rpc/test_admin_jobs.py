"""ListJobs and RunJob over the wire."""

from __future__ import annotations

import asyncio

import pytest

from sessiond.domain.errors import Reason
from sessiond.domain.jobs import Progress
from sessiond.domain.statistics import Survey
from sessiond.service.statistics import Statistician
from sessionstore.v1 import admin_service_pb2 as pb
from tests.rpc.admin_calls import AdminApi
from tests.rpc.calls import refused
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import Server, eventually


def test_jobs_are_listed_with_their_schedules(admin: AdminApi) -> None:
    """In UTC; one that never ran has no run."""
    jobs = admin.jobs()
    assert list(jobs) == ["orphans", "stats"]
    assert {job.schedule for job in jobs.values()} == {"0 * * * *", "0 3 * * 0"}
    for job in jobs.values():
        assert job.description
        assert job.next_time.seconds % 3600 == 0
        assert not job.running
        assert not job.HasField("last_run")
        assert not job.HasField("last_success_time")


def test_a_job_without_a_schedule_runs_on_request_alone(serve_with: ServeWith) -> None:
    """So it is due at no time."""
    job = serve_with(stats_schedule="").admin().jobs()["stats"]
    assert job.schedule == ""
    assert not job.HasField("next_time")


@pytest.mark.parametrize("name", ["stats", "orphans"])
def test_a_job_runs_on_request(managed: Server, admin: AdminApi, name: str) -> None:
    """And tells how it went."""
    managed.api().create("alice")
    begun = admin.run_job(name)
    assert begun.name == name
    assert begun.HasField("start_time")
    eventually(lambda: admin.jobs()[name].HasField("last_run"))
    job = admin.jobs()[name]
    assert not job.running
    assert job.last_run.outcome == pb.JobRun.OUTCOME_SUCCEEDED
    assert job.last_run.attempts == 1
    assert job.last_run.message
    assert job.HasField("last_success_time")


def test_a_running_job_shows_its_progress_and_runs_once(
    admin: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second request is told which server runs it."""

    async def hang(_: Statistician, progress: Progress) -> Survey:
        await progress(3, 10)
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Statistician, "survey", hang)
    job = admin.run_job("stats")
    assert job.running
    error = refused(admin.run_job, "stats")
    assert (error.reason, error.metadata) == (
        Reason.JOB_RUNNING,
        {"job": "stats", "server": job.server},
    )


@pytest.mark.parametrize("name", ["", "n" * 65])
def test_a_job_has_to_be_named(admin: AdminApi, name: str) -> None:
    """By a name of some length."""
    assert refused(admin.run_job, name).fields == ("name",)


def test_there_is_no_other_job(admin: AdminApi) -> None:
    """The refusal names those that there are."""
    error = refused(admin.run_job, "stat")
    assert (error.reason, error.metadata) == (
        Reason.JOB_NOT_FOUND,
        {"job": "stat", "jobs": "orphans, stats"},
    )
