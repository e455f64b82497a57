"""Giving sessions out, without any credential."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sessiond.domain.errors import FieldViolation
from sessiond.domain.limits import MAX_PAGE_SIZE
from sessiond.domain.session import Session, State
from sessiond.service import page_tokens, reading
from sessiond.store.replies import ALL_STATES
from sessiond.store.scripts import Store
from sessiond.store.transfer import TransferStore
from sessiond.store.walk import START, Place, UserPage, UserWalk

_REFUSAL: Final = FieldViolation("resume_token", "is not a resume_token of this export")


@dataclass(frozen=True, slots=True)
class ExportPage:
    """Some sessions, and how far the export has come."""

    sessions: tuple[Session, ...]
    users_done: int
    """By this call."""
    users_total: int
    """When the call began."""
    resume_token: str
    """Goes on after these sessions, or shortly before their end; empty on the last page."""
    done: bool


class Exporter:
    """Gives out the sessions of a user or of all; whoever is there all the time at least once."""

    def __init__(self, store: Store, transfer: TransferStore, walk: UserWalk) -> None:
        self._store = store
        self._transfer = transfer
        self._walk = walk

    def export(
        self, user_id: str, states: Sequence[State], resume_token: str
    ) -> AsyncIterator[ExportPage]:
        """Pages of at most 200 sessions, each sent when it is asked for; some may be empty.

        Args:
            user_id: whose; empty for everybody's.
            states: which; none for all.
            resume_token: of a page of an earlier export of the same sessions, or empty.

        Raises:
            InvalidFieldError: the resume token is of another export, or of none.
        """
        wanted = tuple(sorted(set(states))) or ALL_STATES
        scope = page_tokens.scope("export", user_id, *wanted)
        if user_id:
            return self._of_user(user_id, wanted, resume_token, scope)
        return self._of_all(wanted, resume_token, scope)

    async def _of_user(
        self, user_id: str, states: Sequence[State], resume_token: str, scope: str
    ) -> AsyncIterator[ExportPage]:
        place = page_tokens.read(resume_token, scope, reading.anchor, _REFUSAL)
        while True:
            page = await self._store.list(user_id, MAX_PAGE_SIZE, states, place)
            place = page.next
            if place is None:
                yield ExportPage(page.sessions, 1, 1, "", done=True)
                return
            token = page_tokens.write(scope, place.section, place.score, place.session_id)
            yield ExportPage(page.sessions, 0, 1, token, done=False)

    async def _of_all(
        self, states: Sequence[State], resume_token: str, scope: str
    ) -> AsyncIterator[ExportPage]:
        place = page_tokens.read(resume_token, scope, Place.parse, _REFUSAL) or START
        total, done = await self._walk.total(), 0
        async for page in self._walk.pages(place):
            async for left, sessions in self._portions(page, states):
                # Within a page of the walk there is no place: it is given again as a whole.
                at = place if left else page.next
                token = page_tokens.write(scope, str(at)) if at else ""
                yield ExportPage(
                    sessions, done + len(page.users) - left, total, token, done=at is None
                )
            done += len(page.users)
            place = page.next or place

    async def _portions(
        self, page: UserPage, states: Sequence[State]
    ) -> AsyncIterator[tuple[int, tuple[Session, ...]]]:
        """The sessions of a page of users in portions, each with how many users are then left."""
        rest = page
        while True:
            looked, sessions = await self._transfer.export(rest, states, MAX_PAGE_SIZE)
            rest = replace(rest, users=rest.users[looked:])
            *full, last = _split(sessions)
            for portion in full:
                yield len(rest.users) + 1, portion
            yield len(rest.users), last
            if not rest.users:
                return


def _split(sessions: tuple[Session, ...]) -> Iterator[tuple[Session, ...]]:
    """Portions of at most a page each, and at least one."""
    for start in range(0, max(1, len(sessions)), MAX_PAGE_SIZE):
        yield sessions[start : start + MAX_PAGE_SIZE]
