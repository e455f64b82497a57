"""Reading and annotating sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sessiond.domain.callers import Caller
from sessiond.domain.errors import SessionNotFoundError
from sessiond.domain.ids import partition_of_session
from sessiond.domain.session import Session, State
from sessiond.service import idempotency, page_tokens
from sessiond.store.replies import ALL_STATES, PageAnchor
from sessiond.store.scripts import Store


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One page of sessions; the token is empty on the last."""

    sessions: tuple[Session, ...]
    next_page_token: str


class Reader:
    """The use cases that read sessions, and that change only what the caller keeps with them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, session_id: str) -> Session:
        """A session in any state.

        Raises:
            SessionNotFoundError: unknown, or no longer kept.
        """
        found = await self._store.get(session_id)
        if found is None:
            raise SessionNotFoundError("there is no such session", session_id=session_id)
        return found.session

    async def list(
        self, user_id: str, states: Sequence[State], page_size: int, page_token: str
    ) -> SessionPage:
        """One page of a user's sessions.

        Raises:
            InvalidFieldError: the page token is not of this list.
        """
        wanted = tuple(sorted(set(states))) or ALL_STATES
        scope = page_tokens.scope(user_id, *wanted)
        after = page_tokens.read(page_token, scope, anchor)
        page = await self._store.list(user_id, page_size, wanted, after)
        last = page.next
        token = page_tokens.write(scope, last.section, last.score, last.session_id) if last else ""
        return SessionPage(page.sessions, token)

    async def update(
        self,
        caller: Caller,
        session_id: str,
        attributes: Mapping[str, str],
        *,
        remove: Sequence[str],
        replace_all: bool,
        etag: str,
        request_id: str,
    ) -> Session:
        """Change a live session's attributes; see `Store.update` for the refusals."""
        found = await self._store.update(
            session_id,
            attributes,
            remove=remove,
            replace_all=replace_all,
            etag=etag,
            mark=idempotency.mark(caller.name, request_id),
        )
        return found.session


def anchor(section: object, score: object, session_id: object) -> PageAnchor:
    """The place in a user's sessions that a token names.

    Raises:
        ValueError: it can be none.
    """
    made = PageAnchor(
        page_tokens.text(section), page_tokens.number(score), page_tokens.text(session_id)
    )
    partition_of_session(made.session_id)
    if made.section not in ("live", "ended"):
        raise ValueError("no such section")
    return made
