"""The system that is migrated from: its table, and the sessions that it had at the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import Connection

Old = Connection[tuple[Any, ...]]

USERS: Final = ("alice", "bob", "carol")
SESSIONS: Final = 490
REVOKED: Final = 469
LIVE: Final = SESSIONS - REVOKED

_TABLE: Final = """
    DROP TABLE IF EXISTS sessions;
    CREATE TABLE sessions (
      id text PRIMARY KEY,
      "userId" text NOT NULL,
      "userAgent" text,
      "ipAddr" text,
      "createdAt" timestamptz NOT NULL,
      "expiresAt" timestamptz NOT NULL,
      "revokedAt" timestamptz
    );
"""
_AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0)",
    'says "hi", twice\nand goes on\r\n',
    "=HYPERLINK(0)",
    "Ünïcode 🦊",
    None,
    "\\.",
)


def rows() -> Iterator[tuple[Any, ...]]:
    """The sessions, oldest first: every 23rd or so is live, seven of each user."""
    begin = datetime.now(UTC) - timedelta(days=6)
    agents = itertools.cycle(_AGENTS)
    live = {SESSIONS * number // LIVE for number in range(LIVE)}
    for number in range(SESSIONS):
        created = begin + timedelta(minutes=10 * number, microseconds=number * 7919)
        revoked = None if number in live else created + timedelta(hours=1)
        yield (
            f"old-{number}",
            USERS[number % len(USERS)],
            next(agents),
            f"10.1.2.{number % 250}",
            created,
            created + timedelta(days=7),
            revoked,
        )


def create(old: Old) -> None:
    """The table, with all that is in it."""
    old.execute(_TABLE)
    with old.cursor() as cursor:
        cursor.executemany("INSERT INTO sessions VALUES (%s, %s, %s, %s, %s, %s, %s)", rows())


def live_of(old: Old) -> dict[str, tuple[str, datetime]]:
    """User and creation of each session that is live in the table, by id."""
    found = old.execute(
        'SELECT id, "userId", "createdAt" FROM sessions'
        ' WHERE "revokedAt" IS NULL AND "expiresAt" > now() ORDER BY "createdAt" DESC'
    )
    return {str(row[0]): (str(row[1]), row[2].astimezone(UTC)) for row in found}
