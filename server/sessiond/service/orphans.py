"""Index entries without sessions, and sessions without users."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from sessiond.domain.errors import DirectoryRefusedError
from sessiond.domain.jobs import Progress
from sessiond.domain.session import EndReason
from sessiond.store.maintenance import Maintenance
from sessiond.store.replies import Request
from sessiond.store.scripts import Store
from sessiond.store.walk import UserWalk

CALLER: Final = "job/orphans"
"""Who ended the sessions of a user that no longer exists."""
MOST_ASKED: Final = 500
"""How many users the directory is asked for at a time."""

FilterMissing: TypeAlias = Callable[[Sequence[str]], Awaitable[Collection[str]]]
"""Which of some users no longer exist, by whoever knows; it fails if it cannot tell."""


@dataclass(frozen=True, slots=True)
class OrphansResult:
    """How many users with live sessions were asked for, and what ended."""

    users_asked: int
    users_ended: int
    sessions_ended: int


class Orphans:
    """The work of the orphans job."""

    def __init__(self, store: Store, maintenance: Maintenance, walk: UserWalk) -> None:
        self._store = store
        self._maintenance = maintenance
        self._walk = walk

    async def drop_dangling(self, progress: Progress) -> int:
        """Drop index entries without sessions; how many there were."""
        total, done, dropped = await self._walk.total(), 0, 0
        async for page in self._walk.pages():
            if page.users:
                for user in await self._maintenance.dangling(page.partition, page.users):
                    pruned = await self._store.prune_user(user)
                    dropped += pruned.dead + pruned.forgotten
            done += len(page.users)
            await progress(done, max(total, done))
        return dropped

    async def end_missing(
        self, directory: FilterMissing, max_share: float, progress: Progress
    ) -> OrphansResult:
        """End the sessions of users that no longer exist, once all users were asked for.

        Args:
            directory: tells which of at most 500 users do not exist.
            max_share: 0 to 1; how many of the users with live sessions may be missing.
            progress: is told how many users were asked for.

        Raises:
            DirectoryRefusedError: the directory failed, named somebody it was not asked for, or
                misses too many. Nothing was ended, unless it failed when it was asked again.
        """
        asked, missing = 0, list[str]()
        total = await self._walk.total()
        async for users in self._holders():
            missing += await _ask(directory, users)
            asked += len(users)
            await progress(asked, max(total, asked))
        if len(missing) > max_share * asked:
            raise DirectoryRefusedError(
                f"the directory misses {len(missing)} of {asked} users, more than the share of"
                f" {max_share:g} that it may; nothing was ended"
            )
        users_ended = sessions_ended = 0
        for first in range(0, len(missing), MOST_ASKED):
            # Somebody may have come back since.
            for user in await _ask(directory, missing[first : first + MOST_ASKED]):
                ended = await self._store.revoke_user(
                    user, EndReason.USER_DELETED, CALLER, Request()
                )
                users_ended += 1
                sessions_ended += len(ended)
        return OrphansResult(asked, users_ended, sessions_ended)

    async def _holders(self) -> AsyncIterator[list[str]]:
        """All users with live sessions, as many at a time as the directory is asked for."""
        users: list[str] = []
        async for page in self._walk.pages():
            if page.users:
                users += await self._maintenance.holders(page.partition, page.users)
            while len(users) >= MOST_ASKED:
                yield users[:MOST_ASKED]
                del users[:MOST_ASKED]
        if users:
            yield users


async def _ask(directory: FilterMissing, users: Sequence[str]) -> list[str]:
    """Those of the users that the directory misses, in order."""
    try:
        missing = set(await directory(users))
    except Exception as error:
        raise DirectoryRefusedError("the directory failed; no more was ended") from error
    if not missing <= set(users):
        raise DirectoryRefusedError(
            "the directory named users that it was not asked for; no more was ended"
        )
    return [user for user in users if user in missing]
