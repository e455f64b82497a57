"""A walk past every user of the store, in steps that leave the engine to its callers."""

from __future__ import annotations

import asyncio
import re
from binascii import crc32
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Self

from sessiond.domain.ids import PARTITIONS
from sessiond.store.rest import rest
from sessiond.store.script_set import ScriptSet

STEP: Final = 100
"""About how many users a step of a walk names: a script can look at them in a few milliseconds."""

_PLACE: Final = re.compile(r"(\d{1,2})\.(\d{1,20})(?:@([0-9a-f]{8}))?", re.ASCII)
_CURSORS: Final = 2**64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk has come: a partition, and the cursor in it that a node gave."""

    partition: int
    cursor: int
    node: str = ""
    """Which node that was, where a store has several: a cursor means nothing to any other."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The place that has this text.

        Raises:
            ValueError: none has.
        """
        match = _PLACE.fullmatch(text)
        if match is None:
            raise ValueError("not a place of a walk")
        place = cls(int(match[1]), int(match[2]), match[3] or "")
        if place.partition >= PARTITIONS or place.cursor >= _CURSORS or str(place) != text:
            raise ValueError("not a place of a walk")
        return place

    def __str__(self) -> str:
        return f"{self.partition}.{self.cursor}{'@' if self.node else ''}{self.node}"


START: Final = Place(0, 0)


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some users of one partition, and where the walk goes on: None after the last page."""

    partition: int
    users: tuple[str, ...]
    next: Place | None


class UserWalk:
    """Goes past all users, partition by partition.

    Whoever is in the store all the time is named; whoever comes or goes meanwhile may be. A walk
    that is resumed may name a user again. Where a partition went to another node, it begins again
    with that partition.
    """

    def __init__(self, scripts: ScriptSet, *, step: int = STEP) -> None:
        """Set the pace.

        Args:
            scripts: lead to the store.
            step: about how many users are on a page; small partitions come whole.
        """
        self._scripts = scripts
        self._step = step

    async def total(self) -> int:
        """How many users there are."""
        keys = self._scripts.keys
        sizes = (self._scripts.read("ZCARD", keys.users(p)) for p in range(PARTITIONS))
        return sum(await asyncio.gather(*sizes))

    async def pages(self, start: Place = START, *, rests: bool = True) -> AsyncIterator[UserPage]:
        """Every page from a place on; only the last may be empty.

        After each page the walk rests for as long as the page and what was done with it took, so
        that it never takes more than half of the engine's time. One that somebody waits for may do
        without, and only takes its turn with other calls.
        """
        clock = asyncio.get_running_loop().time
        place, named = start, set[str]()
        while True:
            began = clock()
            page = await self._page(place, named)
            if page.users or page.next is None:
                yield page
            if page.next is None:
                return
            if page.next.partition != place.partition:
                named.clear()
            place = page.next
            if rests:
                await rest(clock() - began)

    async def _page(self, place: Place, named: set[str]) -> UserPage:
        """The page at a place, without those already named: the engine names some twice."""
        key = self._scripts.keys.users(place.partition)
        node, asked = "", None
        while node != asked:
            asked = await self._holder(key)
            cursor = place.cursor if place.node == asked else 0
            cursor, scored = await self._scripts.read("ZSCAN", key, cursor, "COUNT", self._step)
            node = await self._holder(key)
        users = {word.decode() for word in scored[::2]} - named
        named |= users
        return UserPage(place.partition, tuple(users), _after(place.partition, int(cursor), node))

    async def _holder(self, key: str) -> str:
        """What a place says of the node that holds a key now."""
        name = (await self._scripts.holder(key)).name
        return f"{crc32(name.encode()):08x}" if name else ""


def _after(partition: int, cursor: int, node: str) -> Place | None:
    """The place that follows, by the cursor that a node gave."""
    if cursor:
        return Place(partition, cursor, node)
    return Place(partition + 1, 0) if partition + 1 < PARTITIONS else None
