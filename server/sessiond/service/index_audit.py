"""Comparing sessions, indexes, counters and TTLs. Decision 0004 tells why this scans."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from sessiond.domain.drift import Drift, DriftKind
from sessiond.domain.ids import PARTITIONS, partition_of_session
from sessiond.service.drift_tally import DriftTally
from sessiond.store.audit import AuditStore, Finding, KeyPage
from sessiond.store.keyspace import Located
from sessiond.store.rest import rest

MOST_WAITING: Final = 250_000
"""How many sessions are remembered until they are seen again: some 25 MB."""
_BATCH: Final = 50
"""How many sets of a partition are collected before a script looks at them."""
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

    async def audit(self, *, repair: bool) -> AsyncGenerator[AuditProgress, None]:
        """Look at every key, then count every partition. Whoever stops asking stops it.

        Counters are not held against what they count where so many users are missing from the index
        that their names are not kept; once that is repaired, they are.

        After each page it rests for as long as that took: half of the engine's time is for others.
        """
        clock = asyncio.get_running_loop().time
        audit = _Audit(self._store, repair=repair)
        total, done = await self._store.size(), 0
        began = clock()
        async for page in self._store.keys():
            await audit.look_at(page)
            done += len(page.located) + len(page.unknown)
            took = clock() - began
            yield AuditProgress(done, max(total, done), audit.tally.drifts())
            await rest(took)
            began = clock()
        await audit.look_at_the_rest()
        await audit.recount()
        yield AuditProgress(done, done, audit.tally.drifts(), done=True)


class _Audit:
    """One audit: what it has seen, and what is waiting to be looked at."""

    def __init__(self, store: AuditStore, *, repair: bool) -> None:
        self.tally = DriftTally(repair=repair)
        self._store = store
        self._repair = repair
        self._sets: dict[int, list[tuple[str, str]]] = defaultdict(list)
        """By partition: profile and user; without a profile a history."""
        self._others: dict[int, list[str]] = defaultdict(list)
        self._sightings = _Sightings()

    async def look_at(self, page: KeyPage) -> None:
        """Collect the keys, and look at what is enough for a script."""
        self.tally.add(Finding(DriftKind.KEY_UNKNOWN, key) for key in page.unknown)
        for located in page.located:
            self._collect(located)
        await self._look(_BATCH)
        await self._look_at_unlisted(self._sightings.excess())

    async def look_at_the_rest(self) -> None:
        """Look at all that has been collected."""
        await self._look(1)
        await self._look_at_unlisted(self._sightings.rest())

    async def recount(self) -> None:
        """Hold the counters of every partition against what they count, if all users are known."""
        clock = asyncio.get_running_loop().time
        unlisted = self.tally.unlisted()
        if unlisted is None:
            return
        for partition in range(PARTITIONS):
            began = clock()
            users = unlisted.get(partition, ())
            self.tally.add(await self._store.recount(partition, users, repair=self._repair))
            await rest(clock() - began)

    def _collect(self, located: Located) -> None:
        partition, family, rest = located
        match family:
            case "s":
                self._sightings.add_key(rest)
            case "u":
                profile, _, user = rest.partition(":")
                self._sets[partition].append((profile, user))
            case "h":
                self._sets[partition].append(("", rest))
            case "probe" | "mark":
                pass
            case _:
                self._others[partition].append(located.name)

    async def _look(self, least: int) -> None:
        """Look at sets and other keys, where there are at least so many."""
        for partition, sets in _taken(self._sets, least):
            seen = await self._store.indexes(partition, sets, repair=self._repair)
            self.tally.add(seen.findings)
            self._sightings.add_members(seen.session_ids)
        for partition, keys in _taken(self._others, least):
            self.tally.add(await self._store.ttls(partition, keys, repair=self._repair))

    async def _look_at_unlisted(self, session_ids: Iterable[str]) -> None:
        """Look at sessions that were seen in no set: most have expired, or moved meanwhile."""
        by_partition: dict[int, list[str]] = defaultdict(list)
        for session_id in session_ids:
            by_partition[partition_of_session(session_id)].append(session_id)
        for partition, ids in by_partition.items():
            self.tally.add(await self._store.sessions(partition, ids, repair=self._repair))


class _Sightings:
    """Sessions that were seen once: by their key, or in the set where they belong.

    Half of all sessions wait for their other half in the middle of an audit, so it is bounded.
    """

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._members: set[str] = set()

    def add_key(self, session_id: str) -> None:
        if session_id in self._members:
            self._members.remove(session_id)
        else:
            self._keys.add(session_id)

    def add_members(self, session_ids: Iterable[str]) -> None:
        for session_id in session_ids:
            if session_id in self._keys:
                self._keys.remove(session_id)
            else:
                self._members.add(session_id)

    def excess(self) -> list[str]:
        """Keys beyond the bound, which are looked at by themselves; members are just forgotten."""
        if len(self._members) > MOST_WAITING:
            self._members.clear()
        return [self._keys.pop() for _ in range(len(self._keys) - MOST_WAITING)]

    def rest(self) -> set[str]:
        """Keys of which no set is known."""
        return self._keys


def _taken(batches: dict[int, list[_T]], least: int) -> Iterator[tuple[int, list[_T]]]:
    """Those batches that hold at least so many, which are then empty."""
    for partition, batch in batches.items():
        if len(batch) >= least:
            yield partition, batch[:]
            batch.clear()
