"""When a key signs and when it verifies: rules over creation times, with no state.

A new key verifies at once, everywhere that has read it, and signs only after the publish time, so
that nobody meets a token whose key is unknown. The oldest key signs at once: before it there was
none. A key that was succeeded verifies until nothing that it signed can still be good.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from sessiond.tokens.keyfiles import KeyFile


class Identified(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> Hashable:
        """What a token calls its key by."""


K = TypeVar("K", bound=Identified)


@dataclass(frozen=True, slots=True)
class Term(Generic[K]):
    """One key and its times, seconds since the Unix epoch."""

    key: K
    path: Path
    signs_from_s: float
    verifies_until_s: float


class Succession(Generic[K]):
    """The keys of one kind, oldest first; never empty, never changes."""

    __slots__ = ("_by_id", "_terms")

    def __init__(
        self, keys: Sequence[tuple[KeyFile, K]], *, publish_s: float, retain_s: float
    ) -> None:
        """Order the terms of `keys`, which are sorted by creation.

        Args:
            keys: each file with its key, oldest first; at least one.
            publish_s: seconds from a key's creation until it signs.
            retain_s: seconds that a key verifies on after its successor took over.
        """
        starts = [-inf, *(file.create_s + publish_s for file, _ in keys[1:])]
        ends = [taken_over + retain_s for _, taken_over in pairwise(starts)]
        self._terms = tuple(
            Term(key, file.path, start, end)
            for (file, key), start, end in zip(keys, starts, [*ends, inf], strict=True)
        )
        self._by_id = {term.key.id: term for term in self._terms}

    def signer(self, now_s: float) -> K:
        """The newest key that is past its publish time, or the oldest of all."""
        return next(term.key for term in reversed(self._terms) if term.signs_from_s <= now_s)

    def find(self, key_id: Hashable, now_s: float) -> Term[K] | None:
        """The key of this id, if it still verifies."""
        term = self._by_id.get(key_id)
        return term if term is not None and now_s < term.verifies_until_s else None

    def verifying(self, now_s: float) -> list[K]:
        """Every key that verifies, oldest first, those that do not sign yet included."""
        return [term.key for term in self._terms if now_s < term.verifies_until_s]

    def expired(self, now_s: float) -> list[Path]:
        """Files of keys that nothing needs any more."""
        return [term.path for term in self._terms if term.verifies_until_s <= now_s]

    def __iter__(self) -> Iterator[Term[K]]:
        return iter(self._terms)
