"""Removing sessions of a certain age, or saying which would go."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Final

from sessiond.domain.callers import Caller
from sessiond.domain.errors import FieldViolation, InvalidFieldError
from sessiond.domain.session import Session
from sessiond.service import page_tokens
from sessiond.store.maintenance import Maintenance, PurgeScope, PurgeStep
from sessiond.store.walk import START, Place, UserWalk

MOST_SAMPLES: Final = 20
"""How many sessions a purge shows at most."""
_NUMBERS: Final = 5
_REFUSAL: Final = FieldViolation("resume_token", "is not a resume_token of this purge")


@dataclass(frozen=True, slots=True)
class Purge:
    """Which sessions go, by one of two: how old they are at least, or a cutoff time."""

    older_than_ms: int | None = None
    cutoff_ms: int | None = None
    include_active: bool = False
    execute: bool = False


@dataclass(frozen=True, slots=True)
class PurgeProgress:
    """How far a purge has come, with the calls that it resumes; numbers are sessions that go."""

    cutoff_ms: int
    users_total: int
    ended: int = 0
    expired: int = 0
    active: int = 0
    users_done: int = 0
    samples: tuple[Session, ...] = ()
    """Of this step alone."""
    resume_token: str = ""
    """Empty once it is done."""
    done: bool = False


class Purger:
    """The use case by which operators clear out sessions."""

    def __init__(self, store: Maintenance, walk: UserWalk) -> None:
        self._store = store
        self._walk = walk

    async def purge(
        self, caller: Caller, what: Purge, resume_token: str = ""
    ) -> AsyncGenerator[PurgeProgress, None]:
        """Go past all users, step by step. Whoever stops asking stops it.

        Raises:
            InvalidFieldError: no age, or a resume token of another purge.
        """
        place, progress = await self._begin(what, resume_token)
        scope = PurgeScope(progress.cutoff_ms, what.include_active, what.execute)
        left = MOST_SAMPLES
        async for page in self._walk.pages(place):
            users = page.users
            while users:
                step = await self._store.purge(
                    page.partition, users, scope, caller=caller.name, samples=left
                )
                users = users[step.users :]
                left -= len(step.samples)
                progress = _plus(progress, step)
                if users and what.execute:
                    # What is gone is not counted again when this page is gone through again.
                    yield replace(progress, resume_token=_token(what, place, progress))
                    progress = replace(progress, samples=())
            progress = replace(progress, users_done=progress.users_done + len(page.users))
            if page.next is not None:
                place = page.next
                yield replace(progress, resume_token=_token(what, place, progress))
                progress = replace(progress, samples=())
        yield replace(progress, done=True)

    async def _begin(self, what: Purge, resume_token: str) -> tuple[Place, PurgeProgress]:
        """Where to begin, and what calls before this one have done."""
        resumed = page_tokens.read(resume_token, _scope(what), _resumed, _REFUSAL)
        total, now_ms = await self._walk.total(), await self._store.now_ms()
        if resumed is not None:
            place, (cutoff_ms, ended, expired, active, users_done) = resumed
            return place, PurgeProgress(cutoff_ms, total, ended, expired, active, users_done)
        if what.cutoff_ms is not None:
            # Whoever logs in while a purge goes on is not purged by it.
            cutoff_ms = min(what.cutoff_ms, now_ms + 1)
        elif what.older_than_ms is not None:
            # What is exactly this old ended before the next millisecond.
            cutoff_ms = max(0, now_ms + 1 - what.older_than_ms)
        else:
            raise InvalidFieldError([FieldViolation("age", "is required")])
        return START, PurgeProgress(cutoff_ms, total)


def _plus(progress: PurgeProgress, step: PurgeStep) -> PurgeProgress:
    return replace(
        progress,
        ended=progress.ended + step.ended,
        expired=progress.expired + step.expired,
        active=progress.active + step.active,
        samples=progress.samples + step.samples,
    )


def _token(what: Purge, place: Place, progress: PurgeProgress) -> str:
    counts = (progress.ended, progress.expired, progress.active, progress.users_done)
    return page_tokens.write(_scope(what), str(place), progress.cutoff_ms, *counts)


def _scope(what: Purge) -> str:
    """What a resume token is good for: the same purge."""
    return page_tokens.scope("purge", repr(what))


def _resumed(place: str, *numbers: object) -> tuple[Place, list[int]]:
    """What a resume token holds: a place, the cutoff time, and four counts."""
    if len(numbers) != _NUMBERS:
        raise ValueError("of another form")
    return Place.parse(place), [page_tokens.number(number) for number in numbers]
