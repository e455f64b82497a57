"""Which node of a cluster holds which slots, as one of its nodes tells it."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from sessiond.store.store_url import Address

_UNKNOWN: Final = b"?"
"""What a node calls a host whose name it was not told."""


class SlotRange(NamedTuple):
    """Slots that follow each other, and the primary that holds them."""

    first: int
    last: int
    primary: Address


@dataclass(frozen=True, slots=True)
class SlotMap:
    """Who holds what. Slots that nobody holds are in no range."""

    ranges: tuple[SlotRange, ...]
    """In order."""
    nodes: frozenset[Address]
    """Primaries that hold slots, and their replicas."""

    @classmethod
    def parse(cls, reply: Sequence[Any], asked: Address) -> Self:
        """What CLUSTER SLOTS answered.

        Args:
            reply: for each range its first and last slot, then its nodes, the primary first.
            asked: who answered. A node that does not know its own host means this one.

        Raises:
            ValueError: it is no such answer, or says of no slot who holds it.
        """
        ranges, nodes = [], set[Address]()
        for first, last, *holders in reply:
            addresses = [_address(holder, asked) for holder in holders]
            nodes |= {address for address in addresses if address}
            if addresses and addresses[0]:
                ranges.append(SlotRange(int(first), int(last), addresses[0]))
        if not ranges:
            raise ValueError("the cluster has not given its slots to anybody")
        return cls(tuple(sorted(ranges)), frozenset(nodes))

    def primary(self, slot: int) -> Address | None:
        """Who holds a slot; None if nobody does."""
        at = bisect_right(self.ranges, slot, key=lambda each: each.first) - 1
        if at < 0 or slot > self.ranges[at].last:
            return None
        return self.ranges[at].primary

    def sizes(self) -> dict[Address, int]:
        """How many slots each primary holds."""
        sizes = Counter[Address]()
        for first, last, primary in self.ranges:
            sizes[primary] += last - first + 1
        return dict(sizes)


def _address(holder: Sequence[Any], asked: Address) -> Address | None:
    host, port, *_ = holder
    if host == _UNKNOWN:
        return None
    return Address(host.decode() if host else asked.host, int(port))
