"""Typed calls of the scripts that tell what is known of one session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sessiond.domain.events import Event
from sessiond.domain.ids import partition_of_session
from sessiond.domain.session import Session
from sessiond.store.fields import decode_session
from sessiond.store.log_entries import decode_event
from sessiond.store.script_set import ScriptSet

_EVENTS_IN_A_STEP: Final = 500
"""A step of a search in the log takes about a millisecond."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the store says of a session as of `now_ms`; None and zeros of what it does not."""

    now_ms: int
    dead_ms: int
    """When its last access token is surely dead, if it ended early."""
    session: Session | None = None
    forget_ms: int = 0
    """Until when the session is kept."""
    indexed: bool = False
    """Whether the index that its state asks for, if any, has it."""


class ExplanationStore:
    """What can be read of one session. Every method may raise StoreUnavailableError."""

    def __init__(self, scripts: ScriptSet) -> None:
        self._scripts = scripts

    async def known(self, session_id: str) -> Known:
        """A session in any state, and its places in the indexes."""
        now, dead, *kept = await self._scripts.run(
            "explain", self._scripts.keys.of_session(session_id), (session_id,), idempotent=True
        )
        dead_ms = int(float(dead or 0))
        if not kept:
            return Known(now, dead_ms)
        flat, forget_ms, indexed = kept
        session = decode_session(session_id, flat, now)
        return Known(now, dead_ms, session, max(forget_ms, 0), bool(indexed))

    async def latest_event(self, session_id: str) -> Event | None:
        """The latest event of a session that the log still has, sought in bounded steps."""
        start = "+"
        while True:
            status, *rest = await self._scripts.run(
                "find_event",
                self._scripts.keys.of_session(session_id),
                (session_id, start, _EVENTS_IN_A_STEP),
                idempotent=True,
            )
            match status:
                case b"FOUND":
                    return decode_event(partition_of_session(session_id), rest[0])
                case b"MORE":
                    start = f"({rest[0].decode()}"
                case _:
                    return None
