"""Counting what an audit finds, in bounded memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Final

from sessiond.domain.drift import Drift, DriftKind
from sessiond.domain.ids import partition_of_user
from sessiond.store.audit import Finding

MOST_SAMPLES: Final = 10
"""How many of each kind are named."""
MOST_NAMES: Final = 100_000
"""How many findings are remembered: some ten megabytes."""


class DriftTally:
    """What was found, once each: the engine names some keys twice.

    Past MOST_NAMES it counts without remembering, so that what is named twice may count twice.
    """

    def __init__(self, *, repair: bool) -> None:
        self._repair = repair
        self._found = Counter[DriftKind]()
        self._names: dict[DriftKind, dict[str, None]] = defaultdict(dict)
        self._kept = 0

    def add(self, findings: Iterable[Finding]) -> None:
        """Take in what was found."""
        for kind, what in findings:
            names = self._names[kind]
            if what in names:
                continue
            self._found[kind] += 1
            if self._kept < MOST_NAMES or len(names) < MOST_SAMPLES:
                names[what] = None
                self._kept += 1

    def drifts(self) -> tuple[Drift, ...]:
        """By kind, in the order of their numbers."""
        return tuple(
            Drift(
                kind,
                found=found,
                repaired=found if self._repair and kind.can_be_repaired else 0,
                samples=tuple(islice(self._names[kind], MOST_SAMPLES)),
            )
            for kind, found in sorted(self._found.items())
        )

    def unlisted(self) -> dict[int, list[str]] | None:
        """By partition, the users who are missing from the index of users; None if too many are."""
        users: dict[int, list[str]] = defaultdict(list)
        if self._repair:
            return users
        kind = DriftKind.USER_ENTRY_MISSING
        if len(self._names[kind]) < self._found[kind]:
            return None
        for user in self._names[kind]:
            users[partition_of_user(user)].append(user)
        return users
