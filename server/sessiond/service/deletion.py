"""Erasing a user."""

from __future__ import annotations

from dataclasses import dataclass

from sessiond.domain.callers import Caller
from sessiond.store.maintenance import Maintenance


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many live sessions were ended and erased, and how many others were erased."""

    ended: int
    erased: int


class Deletion:
    """The use case by which operators erase everything of a user."""

    def __init__(self, store: Maintenance) -> None:
        self._store = store

    async def delete_user(self, caller: Caller, user_id: str) -> Deleted:
        """End and erase every session of a user, history included, until none is left.

        Events, the ids of dead sessions and an expired session's hour stay for what they last.
        """
        deleted = Deleted(0, 0)
        left = True
        while left:
            step = await self._store.delete_user(user_id, caller=caller.name)
            deleted = Deleted(deleted.ended + step.ended, deleted.erased + step.erased)
            left = step.left > 0
        return deleted
