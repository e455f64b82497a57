"""The stats job: looks at every session, and says how many there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from sessiond.domain.jobs import JobResult, Progress
from sessiond.domain.schedule import Schedule
from sessiond.domain.statistics import Survey
from sessiond.service.statistics import Statistician
from sessiond.store.job_ledger import JobLedger

STATS: Final = "stats"


class StatsJob:
    """Leaves its survey to GetStats."""

    name: Final = STATS
    description: Final = "Surveys all live sessions, and warns if there are very many."

    def __init__(
        self, statistician: Statistician, schedule: Schedule | None, *, warn_live: int
    ) -> None:
        """Set what is looked at, when it is due, and above how many live sessions it warns."""
        self.schedule = schedule
        self._statistician = statistician
        self._warn_live = warn_live
        self._log = structlog.get_logger("sessiond.jobs")

    async def run(self, progress: Progress) -> JobResult:
        """Survey, count and tell."""
        survey = await self._statistician.survey(progress)
        stats = await self._statistician.stats()
        total = stats.live + stats.ended
        self._log.info("stats", total=total, active=stats.live, ended=stats.ended)
        if stats.live > self._warn_live:
            self._log.warning("many_sessions", active=stats.live, above=self._warn_live)
        message = f"{total} sessions: {stats.live} active, {stats.ended} ended"
        return JobResult(message, survey.to_json())


def last_survey(ledger: JobLedger) -> Callable[[], Awaitable[Survey | None]]:
    """Reads what the stats job found when it last ended well, on any server.

    There is none if a server of another version wrote it in a form that this one does not know.
    """

    async def read() -> Survey | None:
        payload = await ledger.payload(STATS)
        with suppress(ValueError):
            return Survey.from_json(payload)
        return None

    return read
