"""The orphans job: index entries without sessions, and sessions without users."""

from __future__ import annotations

from typing import Final

from sessiond.domain.errors import DirectoryRefusedError
from sessiond.domain.jobs import JobOutcome, JobResult, Progress
from sessiond.domain.schedule import Schedule
from sessiond.jobs.directory import UserDirectory
from sessiond.service.orphans import Orphans


class OrphansJob:
    """Without a directory it knows of no missing users: those are told to us by DeleteUser."""

    name: Final = "orphans"
    description: Final = (
        "Drops index entries without sessions, and ends the sessions of users that no longer exist."
    )

    def __init__(
        self,
        orphans: Orphans,
        directory: UserDirectory | None,
        schedule: Schedule | None,
        *,
        max_missing: float,
    ) -> None:
        """Set what is done, who knows the users, and when it is due.

        Args:
            orphans: does it.
            directory: tells which users no longer exist.
            schedule: tells when the job is due.
            max_missing: 0 to 1; a directory that misses a larger share is not believed.
        """
        self.schedule = schedule
        self._orphans = orphans
        self._directory = directory
        self._max_missing = max_missing

    async def run(self, progress: Progress) -> JobResult:
        """Drop, then end."""
        dropped = f"{await self._orphans.drop_dangling(progress)} dangling entries dropped"
        if self._directory is None:
            return JobResult(dropped)
        try:
            async with self._directory.connected() as missing:
                ended = await self._orphans.end_missing(missing, self._max_missing, progress)
        except DirectoryRefusedError as error:
            return JobResult(f"{dropped}; {error}", outcome=JobOutcome.REFUSED)
        gone = f"{ended.users_ended} of {ended.users_asked} users no longer exist"
        return JobResult(f"{dropped}; {gone}, and their {ended.sessions_ended} sessions were ended")
