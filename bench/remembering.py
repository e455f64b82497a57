"""What a LocalVerifier holds in memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sessiond.domain.ids import new_session_id
from sessionstore import LocalVerifier
from sessionstore._verifying.feed import Feed
from sessionstore._verifying.freshness import Freshness
from sessionstore.watch_types import DeadSession, Snapshot

_ENDED: Final = 100_000
_PART: Final = 1_000


@dataclass(frozen=True)
class Held:
    """Memory for each of what is remembered, in bytes."""

    token: float
    """Verified, until it expires."""
    ended: float
    """Until the session's last access token is dead."""


def measure(verifier: LocalVerifier, tokens: Sequence[str]) -> Held:
    """Verify tokens that the verifier has not seen; then tell a feed of ended sessions."""
    with _traced() as before:
        for token in tokens:
            verifier.verify(token)
        token_bytes = (_now() - before) / len(tokens)
    feed = Feed(Freshness(time.monotonic(), time.time()), 5.0, time.monotonic)
    with _traced() as before:
        for _ in range(_ENDED // _PART):
            feed.received(_part())
        ended_bytes = (_now() - before) / _ENDED
    return Held(token_bytes, ended_bytes)


def _part() -> Snapshot:
    dead_time = datetime.now(UTC) + timedelta(hours=1)
    return Snapshot(
        sessions=tuple(
            DeadSession(session_id=new_session_id(f"user-{number}"), dead_time=dead_time)
            for number in range(_PART)
        ),
        complete=False,
        cursor="",
    )


@contextmanager
def _traced() -> Iterator[int]:
    """Memory in use before, while allocations are counted."""
    tracemalloc.start()
    try:
        yield _now()
    finally:
        tracemalloc.stop()


def _now() -> int:
    return tracemalloc.get_traced_memory()[0]
