"""Ends again what a failover may have brought back to life.

Replicas hear of a write after it was acknowledged. When one of them takes over, or an engine starts
again, the last moments may be undone, and sessions live that callers were told had ended. Each
server remembers what it told of late, and says it again to a store whose history is another one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import structlog

from sessiond.domain.errors import SessionStoreError
from sessiond.domain.session import EndReason
from sessiond.service import faults
from sessiond.store.scripts import Store

WINDOW_S: Final = 60.0
"""How long before the latest ending another is remembered: far longer than replicas lag."""
_MOST: Final = 50_000
_BATCH: Final = 200
_REST_S: Final = 0.2
_PATIENCE_S: Final = 1.0
"""How long an ending may take to be heard before it has to wait for others."""


class _Ending(NamedTuple):
    at_s: float
    reason: EndReason
    caller: str


@dataclass(frozen=True, slots=True)
class ReassertionFigures:
    """What this server did since it started."""

    failovers: int = 0
    """How often the store went on with another history."""
    reasserted: int = 0
    """Endings that were said again."""
    restored: int = 0
    """Those of them that had been undone."""


class Reassertion:
    """The endings that this server acknowledged of late."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._endings: dict[str, _Ending] = {}
        """By session, oldest first."""
        self._histories: frozenset[str] = frozenset()
        self._wanted = asyncio.Event()
        self._log = structlog.get_logger("sessiond.store")
        self.figures = ReassertionFigures()

    def remember(self, session_ids: Iterable[str], reason: EndReason, caller: str) -> None:
        """A caller is about to be told that these sessions have ended.

        What is over a minute older than they are is forgotten, however long an outage lasts.
        """
        now = self._clock()
        for session_id in session_ids:
            self._endings.pop(session_id, None)
            self._endings[session_id] = _Ending(now, reason, caller)
        while self._endings and self._is_over(next(iter(self._endings.values())), now):
            del self._endings[next(iter(self._endings))]

    def notice(self, histories: frozenset[str]) -> None:
        """The store's nodes have these histories now; one that was not there means a failover."""
        if self._histories and histories - self._histories:
            self._count(failovers=1)
            self._log.warning("store_failover", endings=len(self._endings))
            self._wanted.set()
        # One that a node out of reach had is not new when it is back.
        self._histories |= histories

    async def run(self) -> None:
        """Say the endings again after each failover, until cancelled."""
        while True:
            await self._wanted.wait()
            await self._say_again()

    async def _say_again(self) -> None:
        """All of them, the latest first; as often as it takes while a part of the store is away."""
        owed: dict[str, _Ending] = {}
        said = restored = 0
        while owed or self._wanted.is_set():
            if self._wanted.is_set():
                self._wanted.clear()
                owed = dict(reversed(self._endings.items())) | owed
            batch = list(islice(owed.items(), _BATCH))
            revived = await asyncio.gather(*(self._end(*each) for each in batch))
            heard = 0
            for (session_id, ending), was_live in zip(batch, revived, strict=True):
                del owed[session_id]
                if was_live is None:
                    owed[session_id] = ending  # behind those that other parts may hear
                else:
                    heard += 1
                    restored += was_live
            said += heard
            if batch and not heard:
                await asyncio.sleep(_REST_S)
        self._count(reasserted=said, restored=restored)
        self._log.warning("endings_reasserted", endings=said, restored=restored)

    async def _end(self, session_id: str, ending: _Ending) -> bool | None:
        """Whether it was live again; None if the store cannot tell now."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                revoked = await self._store.revoke(session_id, ending.reason, ending.caller)
        except (SessionStoreError, TimeoutError):
            return None
        except Exception as fault:  # noqa: BLE001  the others are said again all the same
            self._log.error("fault", error=type(fault).__name__, frames=faults.frames(fault))
            return False
        return bool(revoked and revoked.by_this_call)

    def _is_over(self, ending: _Ending, now: float) -> bool:
        return ending.at_s < now - WINDOW_S or len(self._endings) > _MOST

    def _count(self, *, failovers: int = 0, reasserted: int = 0, restored: int = 0) -> None:
        figures = self.figures
        self.figures = ReassertionFigures(
            figures.failovers + failovers,
            figures.reasserted + reasserted,
            figures.restored + restored,
        )
