"""Removing sessions of a certain age, or saying which would go."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Final

from sessiond.domain.callers import Caller
from sessiond.domain.errors import FieldViolation, InvalidFieldError
from sessiond.domain.session import Session
from sessiond.store.maintenance import Maintenance, PurgeScope, PurgeStep
from sessiond.store.walk import START, Place, UserWalk

MOST_SAMPLES: Final = 20
"""How many sessions a purge shows at most."""


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
        total = await self._walk.total()
        if resume_token:
            return _resumed(what, resume_token, total)
        if what.cutoff_ms is not None:
            return START, PurgeProgress(what.cutoff_ms, total)
        if what.older_than_ms is None:
            raise InvalidFieldError([FieldViolation("age", "is required")])
        # What is exactly this old ended before the next millisecond.
        cutoff_ms = await self._store.now_ms() - what.older_than_ms + 1
        return START, PurgeProgress(cutoff_ms, total)


def _plus(progress: PurgeProgress, step: PurgeStep) -> PurgeProgress:
    return replace(
        progress,
        ended=progress.ended + step.ended,
        expired=progress.expired + step.expired,
        active=progress.active + step.active,
        samples=progress.samples + step.samples,
    )


def _scope(what: Purge) -> str:
    """What a resume token is good for: the same purge."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:8]


def _token(what: Purge, place: Place, progress: PurgeProgress) -> str:
    counts = [progress.ended, progress.expired, progress.active, progress.users_done]
    parts = [_scope(what), str(place), progress.cutoff_ms, *counts]
    return urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def _resumed(what: Purge, resume_token: str, total: int) -> tuple[Place, PurgeProgress]:
    try:
        scope, place, *numbers = json.loads(urlsafe_b64decode(resume_token))
        if scope != _scope(what) or not all(type(number) is int for number in numbers):
            raise ValueError("of another purge")  # noqa: TRY301  told below, with all others
        cutoff_ms, ended, expired, active, users_done = numbers
        return Place.parse(place), PurgeProgress(
            cutoff_ms, total, ended, expired, active, users_done
        )
    except (ValueError, TypeError, RecursionError):
        raise InvalidFieldError(
            [FieldViolation("resume_token", "is not a resume_token of this purge")]
        ) from None
