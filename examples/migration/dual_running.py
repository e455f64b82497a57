"""A backend between two systems: what it does with a credential of the old one.

The old credential is the id of a row. One that only leads to the id is verified first.
A browser that has credentials of both systems is asked for the sessionstore's alone.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from sessionstore import (
    ReplaySuperseded,
    SessionClient,
    SessionNotFound,
    SessionUnusable,
    Tokens,
)

_GOOD = """
    "revokedAt" IS NULL AND "expiresAt" > now()
    AND ("adoptedAt" IS NULL OR "adoptedAt" > now() - interval '1 minute')
"""
_USER = f'SELECT "userId" FROM sessions WHERE id = %s AND {_GOOD}'
_BEGIN = f"""
    UPDATE sessions SET "adoptionId" = coalesce("adoptionId", gen_random_uuid())
    WHERE id = %s AND {_GOOD}
    RETURNING "userId", "adoptionId"
"""
_DONE = 'UPDATE sessions SET "adoptedAt" = coalesce("adoptedAt", now()) WHERE id = %s'
_END = """
    UPDATE sessions SET "revokedAt" = coalesce("revokedAt", now()) WHERE id = %s
    RETURNING "userId", coalesce("adoptionId", gen_random_uuid())
"""
_END_ALL = """
    UPDATE sessions SET "revokedAt" = now() WHERE "userId" = %s AND "revokedAt" IS NULL
"""


class LogInAgain(Exception):  # noqa: N818  what it means
    """The credential is of no more use."""


def user_of(old: Connection[Any], credential: str) -> str:
    """Each request: whose live session this is."""
    row = old.execute(_USER, (credential,)).fetchone()
    if row is None:
        raise LogInAgain
    return str(row[0])


def refresh(sessions: SessionClient, old: Connection[Any], credential: str) -> Tokens | None:
    """The next refresh: carry the session over. None if it must stay, as it is not imported yet."""
    row = old.execute(_BEGIN, (credential,)).fetchone()
    if row is None:
        raise LogInAgain
    user_id, adoption_id = row
    try:
        adopted = sessions.adopt(user_id, credential, request_id=str(adoption_id))
    except SessionNotFound:
        return None
    except (SessionUnusable, ReplaySuperseded):
        raise LogInAgain from None
    old.execute(_DONE, (credential,))
    return adopted.tokens


def log_out(sessions: SessionClient, old: Connection[Any], credential: str) -> None:
    """What ends a session ends it on both sides: the table first, which validates it."""
    row = old.execute(_END, (credential,)).fetchone()
    if row is None:
        return
    user_id, adoption_id = row
    try:
        session_id = sessions.adopt(user_id, credential, request_id=str(adoption_id)).session.id
    except (SessionUnusable, ReplaySuperseded) as error:
        session_id = error.metadata.get("session_id", "")
    if session_id:
        sessions.revoke(session_id=session_id)


def log_out_everywhere(sessions: SessionClient, old: Connection[Any], user_id: str) -> None:
    """Both sides, whichever holds the session."""
    old.execute(_END_ALL, (user_id,))
    sessions.revoke_user(user_id)
