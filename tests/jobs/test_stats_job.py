"""The stats job, over a real store."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from sessiond.domain.jobs import JobOutcome
from sessiond.domain.session import EndReason
from sessiond.jobs.stats import STATS, StatsJob, last_survey
from sessiond.service.statistics import Statistician
from sessiond.store.job_ledger import JobLedger
from sessiond.store.scripts import Store
from sessiond.store.statistics import StatisticsStore
from sessiond.store.walk import UserWalk
from tests.jobs.fleet import Fleet
from tests.store.inside import Inside, scripts_of, until
from tests.store.kit import ALICE, BOB, WEB, login


@pytest.fixture
def statistician(inside: Inside, ledger: JobLedger) -> Statistician:
    """Reads the store; the last survey is that of the job."""
    scripts = scripts_of(inside)
    return Statistician(
        StatisticsStore(scripts),
        UserWalk(scripts),
        cap=WEB.cap,
        last_survey=last_survey(ledger),
    )


async def _no_progress(_: int, __: int) -> None:
    pass


async def test_the_numbers_are_a_line_of_the_log(store: Store, statistician: Statistician) -> None:
    """Total, active and ended; and no warning as long as the limit is not exceeded."""
    made = [await login(store, user) for user in (ALICE, ALICE, BOB)]
    await store.revoke(made[0].id, EndReason.LOGOUT, "app")
    with capture_logs() as lines:
        result = await StatsJob(statistician, None, warn_live=2).run(_no_progress)
    assert lines == [{"event": "stats", "log_level": "info", "total": 3, "active": 2, "ended": 1}]
    assert result.message == "3 sessions: 2 active, 1 ended"


async def test_many_live_sessions_are_a_warning(store: Store, statistician: Statistician) -> None:
    """It names the limit."""
    for _ in range(3):
        await login(store)
    with capture_logs() as lines:
        await StatsJob(statistician, None, warn_live=2).run(_no_progress)
    assert lines[1:] == [
        {"event": "many_sessions", "log_level": "warning", "active": 3, "above": 2}
    ]


async def test_the_survey_is_there_for_everybody_once_the_job_has_run(
    store: Store, statistician: Statistician, fleet: Fleet, ledger: JobLedger
) -> None:
    """Before that there is none."""
    await login(store)
    assert (await statistician.stats()).survey is None
    job = StatsJob(statistician, None, warn_live=1000)
    await fleet.server(job).scheduler.start(STATS)

    async def surveyed() -> bool:
        return (await statistician.stats()).survey is not None

    await until(surveyed)
    survey = (await statistician.stats()).survey
    assert survey is not None
    assert [user.user_id for user in survey.top_users] == [ALICE]
    assert json.loads((await ledger.read(STATS)).payload) == json.loads(survey.to_json())


async def test_a_survey_of_another_form_is_none(
    statistician: Statistician, ledger: JobLedger
) -> None:
    """A server of another version wrote it; the numbers are given all the same."""
    await ledger.claim(STATS, "run", "other", slot_ms=None, lease_ms=30_000)
    await ledger.finish(STATS, "run", JobOutcome.SUCCEEDED, "", '{"of": "another version"}')
    stats = await statistician.stats()
    assert (stats.live, stats.survey) == (0, None)
