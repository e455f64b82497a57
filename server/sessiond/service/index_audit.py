"""Comparing sessions, indexes, counters and TTLs. Decision 0004 tells why this scans."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from sessiond.domain.drift import Drift, DriftKind
from sessiond.domain.ids import PARTITIONS
from sessiond.service.drift_tally import DriftTally
from sessiond.store.audit import AuditStore, Finding
from sessiond.store.keyspace import Located

_BATCH: Final = 200
"""How many keys of a partition are collected before a script looks at them."""
_LONGEST_REST_S: Final = 0.1
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class AuditProgress:
    """How far an audit has come, and what it found so far."""

    keys_done: int
    keys_total: int
    """An estimate, where the engine holds other keys than ours."""
    drifts: tuple[Drift, ...]
    done: bool = False


class IndexAudit:
    """The use case by which operators hold the store against itself, while it serves."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def audit(self, *, repair: bool) -> AsyncIterator[AuditProgress]:
        """Look at every key, then count every partition. Whoever stops asking stops it.

        Counters are not held against what they count where so many users are missing from the index
        that their names are not kept; once that is repaired, they are.

        After each page it rests for as long as that took: half of the engine's time is for others.
        """
        clock = asyncio.get_running_loop().time
        tally, batches = DriftTally(repair=repair), _Batches()
        total, done = await self._store.size(), 0
        began = clock()
        async for page in self._store.keys():
            tally.add(Finding(DriftKind.KEY_UNKNOWN, key) for key in page.unknown)
            for located in page.located:
                batches.add(located)
            await self._look(batches, tally, full=_BATCH)
            done += len(page.located) + len(page.unknown)
            took = clock() - began
            yield AuditProgress(done, max(total, done), tally.drifts())
            await asyncio.sleep(min(took, _LONGEST_REST_S))
            began = clock()
        await self._look(batches, tally, full=1)
        await self._recount(tally)
        yield AuditProgress(done, done, tally.drifts(), done=True)

    async def _recount(self, tally: DriftTally) -> None:
        """Hold the counters of every partition against what they count, if all users are known."""
        clock = asyncio.get_running_loop().time
        unlisted = tally.unlisted()
        if unlisted is None:
            return
        for partition in range(PARTITIONS):
            began = clock()
            users = unlisted.get(partition, ())
            tally.add(await self._store.recount(partition, users, repair=tally.repair))
            await asyncio.sleep(min(clock() - began, _LONGEST_REST_S))

    async def _look(self, batches: _Batches, tally: DriftTally, *, full: int) -> None:
        """Look at what has been collected, wherever it is as much as `full` keys."""
        store, repair = self._store, tally.repair
        for partition, session_ids in _taken(batches.sessions, full):
            tally.add(await store.sessions(partition, session_ids, repair=repair))
        for partition, sets in _taken(batches.sets, full):
            tally.add(await store.indexes(partition, sets, repair=repair))
        for partition, keys in _taken(batches.others, full):
            tally.add(await store.ttls(partition, keys, repair=repair))


class _Batches:
    """Keys by partition, until there are enough of them for a script."""

    def __init__(self) -> None:
        self.sessions: dict[int, list[str]] = defaultdict(list)
        self.sets: dict[int, list[tuple[str, str]]] = defaultdict(list)
        """Profile and user; without a profile a history."""
        self.others: dict[int, list[str]] = defaultdict(list)

    def add(self, located: Located) -> None:
        partition, family, rest = located
        match family:
            case "s":
                self.sessions[partition].append(rest)
            case "u":
                profile, _, user = rest.partition(":")
                self.sets[partition].append((profile, user))
            case "h":
                self.sets[partition].append(("", rest))
            case _:
                self.others[partition].append(located.name)


def _taken(batches: dict[int, list[_T]], full: int) -> Iterator[tuple[int, list[_T]]]:
    """Those batches that hold at least so many, which are then empty."""
    for partition, batch in batches.items():
        if len(batch) >= full:
            yield partition, batch[:]
            batch.clear()
