"""Verified tokens, remembered so that a signature is checked once."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """A bounded memory by digest; the oldest makes room.

    It belongs to one reading of the keys: under another it is empty, so that nothing is vouched
    for by a key that is gone. For use by one event loop or thread.
    """

    __slots__ = ("_entries", "_limit", "_owner")

    def __init__(self, limit: int) -> None:
        """Remember up to `limit` entries; 0 remembers nothing."""
        self._limit: Final = limit
        self._owner: object = None
        self._entries: dict[bytes, V] = {}

    def get(self, owner: object, digest: bytes) -> V | None:
        """What was put under this owner and digest."""
        if owner is not self._owner:
            self._owner, self._entries = owner, {}
        return self._entries.get(digest)

    def put(self, owner: object, digest: bytes, value: V) -> None:
        """Remember a value, unless the owner has changed since it was worked out."""
        if owner is not self._owner or self._limit == 0:
            return
        if digest not in self._entries and len(self._entries) >= self._limit:
            del self._entries[next(iter(self._entries))]
        self._entries[digest] = value

    def forget(self, digest: bytes) -> None:
        """Drop one entry, if it is there."""
        self._entries.pop(digest, None)

    def __len__(self) -> int:
        return len(self._entries)
