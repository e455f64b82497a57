"""What an operator does, through the SDK; every answer is held against what the store holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final, TypeVar

from answers import WrongAnswerError
from directory import Directory
from sessionstore import AsyncAdminClient, JobOutcome, JobRun, PurgeProgress
from stock import Stock

_REST_S: Final = 20.0
_POLL_S: Final = 0.2
_PAGE: Final = 50
_PAGE_TIMEOUT_S: Final = 60.0
_NO_AGE: Final = timedelta(0)
_T = TypeVar("_T")


class Operator:
    """Acts on a store of which it is known what it holds.

    Every act raises WrongAnswerError if the answer is not what it has to be.
    """

    def __init__(
        self, admin: AsyncAdminClient, stock: Stock, directory: Directory | None = None
    ) -> None:
        """Set what is acted on.

        Args:
            admin: reaches the server.
            stock: what its store holds.
            directory: of users, which the server asks.
        """
        self._admin = admin
        self._stock = stock
        self._directory = directory

    async def rest(self) -> None:
        """Do nothing for a while."""
        await asyncio.sleep(_REST_S)

    async def stats(self) -> None:
        """Read the counters."""
        stats = await self._admin.stats()
        _same("GetStats", (stats.live_sessions, stats.users), (self._stock.live, self._stock.users))

    async def recent(self) -> None:
        """Read the sessions created last."""
        page = await self._admin.recent_page()
        _same("ListRecentSessions", len(page.sessions), 30)

    async def users(self) -> None:
        """Read the first page of users."""
        page = await self._admin.users_page(page_size=_PAGE, timeout=_PAGE_TIMEOUT_S)
        _same("ListUsers", len(page.users), _PAGE)

    async def audit(self) -> None:
        """Audit everything; there must be no drift."""
        last = await _last(self._admin.audit())
        _same("AuditIndex", last.drifts, ())
        _at_least("AuditIndex, keys", last.keys_done, self._stock.live)

    async def survey(self) -> None:
        """Run the stats job."""
        await self._run("stats")
        survey = (await self._admin.stats()).survey
        found = sum(bar.sessions for bar in survey.ages) if survey else None
        _same("stats job", found, self._stock.live)

    async def orphans(self) -> None:
        """Run the orphans job; no session is one, and each user is asked for if that can be."""
        await self._run("orphans")
        await self.stats()
        if self._directory:
            asked = self._directory.asked
            _at_least("orphans job, users asked for", asked, self._stock.users)

    async def preview_purge(self) -> None:
        """Ask what a purge of everything would remove."""
        last = await _last(self._admin.purge(older_than=_NO_AGE, include_active=True))
        _same("PurgeSessions, preview", _counts(last), (self._stock.ended, 0, self._stock.live))

    async def purge(self) -> None:
        """Remove every session that has ended."""
        last = await _last(self._admin.purge(older_than=_NO_AGE, execute=True))
        _same("PurgeSessions", _counts(last), (self._stock.ended, 0, 0))

    async def _run(self, name: str) -> None:
        """Run a job to its end."""
        started = (await self._admin.run_job(name)).start_time
        run = None
        while run is None or run.start_time != started:
            await asyncio.sleep(_POLL_S)
            run = await self._last_run(name)
        _same(f"{name} job ({run.message})", run.outcome, JobOutcome.SUCCEEDED)

    async def _last_run(self, name: str) -> JobRun | None:
        """The last run of a job that has ended."""
        return next(job.last_run for job in await self._admin.jobs() if job.name == name)


async def _last(progress: AsyncIterator[_T]) -> _T:
    messages = [message async for message in progress]
    if not messages:
        raise WrongAnswerError("a stream has ended without a message")
    return messages[-1]


def _counts(purged: PurgeProgress) -> tuple[int, int, int]:
    return purged.ended_sessions, purged.expired_sessions, purged.active_sessions


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise WrongAnswerError(f"{what}: not {expected} but {found}")


def _at_least(what: str, found: int, expected: int) -> None:
    if found < expected:
        raise WrongAnswerError(f"{what}: not {expected} but {found}")
