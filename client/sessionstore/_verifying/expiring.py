"""What is remembered until its time."""

from __future__ import annotations

import heapq
import threading
from math import inf
from typing import Generic, Protocol, TypeVar


class Leaving(Protocol):
    """Anything that is of use until a time."""

    @property
    def leave_s(self) -> float:
        """When it may be forgotten, by the engine's clock."""


K = TypeVar("K", str, bytes)
V = TypeVar("V", bound=Leaving)


class Expiring(Generic[K, V]):
    """A mapping whose entries leave at their time; over the limit the soonest to leave makes room.

    Threads may share it; reading takes no lock.
    """

    def __init__(self, limit: float = inf) -> None:
        self._limit = limit
        self._entries: dict[K, V] = {}
        self._order: list[tuple[float, K]] = []
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """What was put under this key, as long as it is remembered."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        """Remember a value, instead of the one before."""
        with self._lock:
            before = self._entries.get(key)
            self._entries[key] = value
            if before is None or before.leave_s != value.leave_s:
                heapq.heappush(self._order, (value.leave_s, key))
            while len(self._entries) > self._limit:
                self._forget_next()

    def prune(self, store_s: float) -> None:
        """Forget what has left by now."""
        with self._lock:
            while self._order and self._order[0][0] <= store_s:
                self._forget_next()

    def _forget_next(self) -> None:
        leave_s, key = heapq.heappop(self._order)
        # An entry that was put again stands in the order twice.
        if key in self._entries and self._entries[key].leave_s == leave_s:
            del self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)
