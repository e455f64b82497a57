"""Reading and annotating sessions."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sessiond.domain.errors import FieldViolation, InvalidFieldError, SessionNotFoundError
from sessiond.domain.ids import partition_of_session
from sessiond.domain.session import Session, State
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
        scope = _scope(user_id, wanted)
        after = _anchor(page_token, scope) if page_token else None
        page = await self._store.list(user_id, page_size, wanted, after)
        return SessionPage(page.sessions, _page_token(page.next, scope) if page.next else "")

    async def update(
        self,
        session_id: str,
        attributes: Mapping[str, str],
        *,
        remove: Sequence[str],
        replace_all: bool,
        etag: str,
    ) -> Session:
        """Change a live session's attributes; see `Store.update` for the refusals."""
        found = await self._store.update(
            session_id, attributes, remove=remove, replace_all=replace_all, etag=etag
        )
        return found.session


def _scope(user_id: str, states: Sequence[State]) -> str:
    """What a page token is good for: one user and one filter."""
    text = json.dumps([user_id, *states])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _page_token(anchor: PageAnchor, scope: str) -> str:
    parts = [scope, anchor.section, anchor.score, anchor.session_id]
    return urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def _anchor(page_token: str, scope: str) -> PageAnchor:
    try:
        token_scope, section, score, session_id = json.loads(urlsafe_b64decode(page_token))
        good = token_scope == scope and section in ("live", "ended")
        good = good and type(score) is int and 0 <= score < 2**53 and type(session_id) is str
        if good:
            partition_of_session(session_id)
    except (ValueError, TypeError, RecursionError):
        good = False
    if not good:
        raise InvalidFieldError(
            [FieldViolation("page_token", "is not a next_page_token of this list")]
        )
    return PageAnchor(section, score, session_id)
