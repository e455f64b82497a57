"""A watcher of everything that resumes by itself, and is held to having missed nothing."""

from __future__ import annotations

import time
from contextlib import aclosing
from math import inf
from typing import Final

from sessionstore import AsyncSessionClient, CursorTooOld, LogRewound
from sessionstore.watch_types import (
    Checkpoint,
    Event,
    Events,
    EventType,
    Interrupted,
    Opened,
    Snapshot,
    WatchUpdate,
)
from tests.faults.realtime.findings import Findings
from tests.faults.realtime.ledger import Gap, Ledger, hidden

_CLOCKS_S: Final = 0.01
"""How far our idea of the engine's clock may be off."""


class Follower:
    """What it was told, over all of its streams."""

    def __init__(self, findings: Findings) -> None:
        self.known_s = -inf
        """Up to when it was told of everything, by our steady clock."""
        self._findings = findings
        self._created: set[str] = set()
        self._ended: set[str] = set()
        self._dead: set[str] = set()
        """Those that snapshots named."""
        self._gone_in_stream: set[str] = set()
        self._gaps: list[Gap] = []
        self._lost_from_s: float | None = -inf
        """Since when it may have missed something, until a snapshot is complete."""

    async def work(self, client: AsyncSessionClient) -> None:
        """Listen, until it is cancelled."""
        async with aclosing(client.follow()) as updates:
            async for update in updates:
                self.take(update)

    def take(self, update: WatchUpdate | Interrupted) -> None:
        """Note what it is told, and whether it may be told so."""
        match update:
            case Opened():
                self._gone_in_stream.clear()
            case Snapshot():
                self._snapshot(update)
            case Events():
                for event in update.events:
                    self._event(event)
            case Checkpoint():
                self.known_s = _steady_s(update)
            case Interrupted(error=CursorTooOld() | LogRewound()):
                self._findings.gaps += 1
                if self._lost_from_s is None:
                    self._lost_from_s = self.known_s - _CLOCKS_S

    def lacks(self, ledger: Ledger) -> str:
        """What it was not told of though it should; empty if nothing."""
        ended = self._ended | self._dead
        for session in ledger.sessions:
            if session.id not in self._created and not hidden(session, self._gaps):
                return f"the creation of {session.id}"
            if session.left_s < inf and session.id not in ended:
                return f"the end of {session.id}"
        return ""

    def _snapshot(self, snapshot: Snapshot) -> None:
        if self._lost_from_s is None:
            self._findings.broken("no_gap_goes_unsaid", "a snapshot came, and nobody said why")
            return
        self._dead |= {each.session_id for each in snapshot.sessions}
        if snapshot.complete:
            self._gaps.append(Gap(self._lost_from_s, time.monotonic()))
            self._lost_from_s = None

    def _event(self, event: Event) -> None:
        if event.type is EventType.CREATED:
            unheard_of = event.session_id not in self._created
            gone = self._ended if unheard_of else self._gone_in_stream
            if event.session_id in gone:
                self._findings.broken(
                    "events_of_a_session_come_in_order", f"{event.session_id} began after its end"
                )
            self._created.add(event.session_id)
        else:
            self._ended.add(event.session_id)
            self._gone_in_stream.add(event.session_id)


def _steady_s(checkpoint: Checkpoint) -> float:
    """Its time by our steady clock: the engine runs on this machine."""
    return checkpoint.time.timestamp() - time.time() + time.monotonic()
