"""Follows the logs of all partitions of a cluster.

One read cannot block for logs of different slots, so every node is polled. Once a second places
are checked too: a checkpoint is the time of the node whose clock is furthest behind, if every log
was read to its end. A node that is away, or a slot on the move, holds up its own events and the
checkpoint, and nobody else's events.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sessiond.domain.errors import StoreUnavailableError
from sessiond.domain.ids import PARTITIONS
from sessiond.store.engine_errors import NotHereError, lost
from sessiond.store.keyspace import slot_of_key
from sessiond.store.log_entries import Place, Stretch, stretch
from sessiond.store.log_tail import CHECKPOINT_S, MOST_READ, POLL_S, Checkpoint, TailRead
from sessiond.store.store_url import Address
from sessiond.store.tail_node import ClusterWays, Part, TailNode

_BEGIN_S: Final = 30.0
"""How long a tail that begins waits for slots on the move."""
_ROUND_S: Final = 0.25
"""How long a round waits for a node; what comes later counts in the next one."""
_AGAIN_S: Final = 0.25
"""Until the next attempt at a checkpoint that failed."""


@dataclass(slots=True)
class _Round:
    """What the nodes gave."""

    stretches: list[Stretch] = field(default_factory=list)
    partitions: set[int] = field(default_factory=set)
    """Those that were read."""
    times_ms: list[int] = field(default_factory=list)
    held: int = 0
    is_full: bool = False
    """Whether there may be more to read."""
    is_new: bool = False


class ClusterTail:
    """Reads on from where the logs end when it begins; see `LogTail`."""

    def __init__(self, ways: ClusterWays) -> None:
        """Set the ways, whose view is the tail's own."""
        self.places: dict[int, Place] = {}
        """By partition: up to where events were given."""
        self._checked: dict[int, Place] = {}
        """Where the latest check found nothing missing."""
        self._ways = ways
        self._nodes: dict[Address, TailNode] = {}
        self._reading: dict[Address, asyncio.Task[Part]] = {}
        self._slots = [slot_of_key(base) for base in ways.scripts.keys.bases]
        self._due_s = 0.0

    async def begin(self) -> None:
        """Connect, and find out where the logs end.

        Raises:
            StoreUnavailableError: a node is out of reach, or a slot is on the move for too long.
        """
        try:
            async with asyncio.timeout(_BEGIN_S):
                while missing := set(range(PARTITIONS)) - self.places.keys():
                    await self._find_ends(missing)
        except Exception as error:
            await self.close()
            raise lost(error) from error
        self._checked = dict(self.places)

    async def read(self) -> TailRead:
        """What happened next; nothing may have, but a read ends when a checkpoint is due.

        Nodes that are out of reach are tried again, with growing rests.

        Raises:
            CursorTooOldError, LogRewoundError: the places are no longer in the logs.
        """
        try:
            while time.monotonic() < self._due_s:
                await asyncio.sleep(POLL_S)
                found = await self._round(stock=False)
                if found.is_full:
                    self._due_s = 0.0
                if found.stretches or found.is_new:
                    return TailRead(tuple(found.stretches), reconnected=found.is_new)
            return await self._take_stock()
        except asyncio.CancelledError:
            # The replies that were waited for would be taken for the next ones.
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect."""
        await asyncio.gather(*map(self._leave, tuple(self._nodes)))
        await self._ways.view.close()

    async def _find_ends(self, missing: Iterable[int]) -> None:
        groups = await self._by_node(missing)
        asked = [asyncio.ensure_future(self._node(at).ends(i)) for at, i in groups.items()]
        try:
            if asked:
                await asyncio.wait(asked)
        finally:
            for each in asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        for each in asked:
            self.places |= each.result()
        if len(self.places) < PARTITIONS:
            await asyncio.sleep(POLL_S)

    async def _take_stock(self) -> TailRead:
        """Read everything there is, prove that nothing is missing, and say up to when."""
        begun_s = time.monotonic()
        found = await self._round(stock=True)
        whole = len(found.partitions) == PARTITIONS
        self._due_s = begun_s + (CHECKPOINT_S if whole else _AGAIN_S)
        checkpoint, held = None, None
        if found.is_full:
            self._due_s = 0.0
        elif whole:
            checkpoint, held = Checkpoint(min(found.times_ms), begun_s), found.held
        return TailRead(tuple(found.stretches), checkpoint, held, reconnected=found.is_new)

    async def _round(self, *, stock: bool) -> _Round:
        """Let every node read, and take what comes in time; in one that takes stock, check too."""
        found, begun_s = _Round(), time.monotonic()
        try:
            groups = await self._by_node(range(PARTITIONS))
        except StoreUnavailableError:
            await asyncio.sleep(POLL_S)
            return found
        for address in self._nodes.keys() - groups.keys():
            await self._leave(address)
        for address, partitions in groups.items():
            if address not in self._reading:
                places = {i: self.places[i] for i in partitions}
                checked = dict(self._checked) if stock else None
                reading = self._node(address).read(places, checked)
                self._reading[address] = asyncio.ensure_future(reading)
        if self._reading:
            await asyncio.wait(self._reading.values(), timeout=_ROUND_S)
        for address in [at for at, reading in self._reading.items() if reading.done()]:
            self._take(self._reading.pop(address).result(), found, begun_s)
        return found

    def _take(self, part: Part, found: _Round, begun_s: float) -> None:
        """Add what a node gave, from where the tail still is."""
        found.is_new |= part.is_new
        for i, entries in part.entries.items():
            if part.starts[i] != self.places[i]:
                continue
            is_full = len(entries) >= MOST_READ
            found.is_full |= is_full
            if part.time_ms is None and (is_full or time.monotonic() > self._due_s):
                continue  # it may have been trimmed
            if part.begun_s >= begun_s:
                found.partitions.add(i)
            if entries:
                found.stretches.append(stretch(i, entries, self.places[i]))
                self.places[i] = found.stretches[-1].place
            if part.time_ms is not None:
                self._checked[i] = self.places[i]
        if part.time_ms is not None:
            found.times_ms.append(part.time_ms)
            found.held += part.held

    async def _by_node(self, partitions: Iterable[int]) -> dict[Address, list[int]]:
        """The partitions, by the node that holds them; those that nobody holds are left out."""
        groups: dict[Address, list[int]] = defaultdict(list)
        for i in partitions:
            try:
                groups[await self._ways.view.primary(self._slots[i])].append(i)
            except NotHereError:
                continue
        return groups

    def _node(self, address: Address) -> TailNode:
        if address not in self._nodes:
            self._nodes[address] = TailNode(address, self._ways)
        return self._nodes[address]

    async def _leave(self, address: Address) -> None:
        if reading := self._reading.pop(address, None):
            reading.cancel()
            # It may have failed by itself: nobody has to be told any more.
            await asyncio.gather(reading, return_exceptions=True)
        await self._nodes.pop(address).close()
