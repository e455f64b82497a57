"""Typed calls of the scripts that read the logs of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sessiond.domain.events import DeadSession
from sessiond.store.log_entries import Place, Stretch, accepted, stretch
from sessiond.store.script_set import ScriptSet


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The ended sessions of a partition, as of a place in its log."""

    place: Place
    dead: tuple[DeadSession, ...]
    """Those of which an access token may still look alive."""


class LogStore:
    """What can be read of the logs. Every method may raise StoreUnavailableError."""

    def __init__(self, scripts: ScriptSet) -> None:
        self._scripts = scripts

    async def now_ms(self) -> int:
        """The engine's clock."""
        return await self._scripts.now_ms()

    async def snapshot(self, partition: int, *, dead: bool) -> Snapshot:
        """Where the log of a partition ends, and the ended sessions as of then, if asked for."""
        last, added, flat = await self._scripts.run(
            "log_snapshot", self._scripts.keys.bases[partition], (int(dead),), idempotent=True
        )
        pairs = zip(flat[::2], flat[1::2], strict=True)
        sessions = tuple(DeadSession(word.decode(), int(float(score))) for word, score in pairs)
        return Snapshot(Place(last.decode(), added), sessions)

    async def check(self, places: Mapping[int, Place]) -> None:
        """Hold places, by partition, against the logs.

        Raises:
            CursorTooOldError, LogRewoundError: who reads on at one of them would miss events.
        """
        replies = await self._scripts.run_many(
            "log_read",
            [
                (self._scripts.keys.bases[i], (place.id, place.count, 0))
                for i, place in places.items()
            ],
        )
        for reply in replies:
            accepted(reply)

    async def read(self, partition: int, place: Place, most: int) -> Stretch:
        """At most so many events after a place.

        Raises:
            CursorTooOldError, LogRewoundError: some after the place are missing.
        """
        reply = await self._scripts.run(
            "log_read",
            self._scripts.keys.bases[partition],
            (place.id, place.count, most),
            idempotent=True,
        )
        _, entries = accepted(reply)
        return stretch(partition, entries, place)
