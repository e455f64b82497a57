"""All commands of a process to a cluster: over one connection to each of its primaries.

A command goes to the node that holds the slot of its key. One that is refused whole, since its slot
is elsewhere, on the move, or served by nobody for now, is sent again until it is accepted. ASK is
never followed: the node that a slot moves to key by key has some keys of the partition and lacks
others, which a script would take for gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from redis.exceptions import MovedError

from sessiond.domain import jitter
from sessiond.domain.errors import OverloadedError, StoreUnavailableError
from sessiond.store.access import Door
from sessiond.store.cluster_view import ClusterView
from sessiond.store.engine_errors import NotHereError
from sessiond.store.figures import LinkFigures
from sessiond.store.keyspace import slot_of_key
from sessiond.store.link import Argument
from sessiond.store.multiplexer import Multiplexer
from sessiond.store.store_url import Address

PATIENCE_S: Final = 30.0
"""How long a call that has no deadline waits for a slot that nobody serves."""
_RESTS_S: Final = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Before each further attempt; the last one is repeated."""
_KEY_AT: Final = {"EVALSHA": 3, "OBJECT": 2}
"""Which word of a command is its key, where that is not the first after its name."""


@dataclass
class _Bar:
    """Before a slot of which a command was refused."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Of who tries the slot out."""
    lifted: bool = False


class ClusterLink:
    """A link to a cluster. Not thread-safe: it belongs to one event loop."""

    def __init__(self, view: ClusterView, door: Door) -> None:
        self.name = ""
        self._view: Final = view
        self._door: Final = door
        self.figures: Final = LinkFigures()
        """What went over the lines to all nodes."""
        self._nodes: dict[Address, Multiplexer] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._pruned_for: object = None
        self._barred: dict[int, _Bar] = {}
        """Slots of which a command was refused, each until one is accepted again."""
        self._waiting = 0
        self._closed = False

    async def send(self, *command: Argument) -> Any:
        """Send a command to the node that holds its key; see `Link.send`."""
        slot = slot_of_key(_key_of(command))
        if slot not in self._barred:
            try:
                return await self._ask(slot, command)
            except NotHereError:
                pass
        if self._waiting >= self._door.limits.in_flight:
            raise OverloadedError("too many commands wait for the store")
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._insist(slot, command)
        except TimeoutError:
            raise StoreUnavailableError("a part of the store is on the move") from None
        finally:
            self._waiting -= 1

    async def holder(self, key: str) -> Multiplexer:
        """The link to the node that holds a key now; see `Link.holder`."""
        return self._node(await self._view.primary(slot_of_key(key)))

    def doubt(self) -> None:
        """Ask the cluster who holds what; see `Link.doubt`."""
        self._view.renew()

    async def close(self) -> None:
        """Wait for the replies to what was sent, then disconnect."""
        self._closed = True
        await asyncio.gather(*(node.close() for node in self._nodes.values()), *self._leaving)
        await self._view.close()

    async def _ask(self, slot: int, command: tuple[Argument, ...]) -> Any:
        """Send a command once, and learn from a refusal.

        Raises:
            NotHereError: it was refused whole, and may be sent again. Else like `Link.send`.
        """
        if self._closed:
            raise StoreUnavailableError("the connection to the store was closed")
        address = await self._view.primary(slot)
        try:
            return await self._node(address).send(*command)
        except NotHereError as refusal:
            moved = refusal.__cause__
            if isinstance(moved, MovedError):
                self._view.moved(slot, Address(moved.host or address.host, moved.port))
            else:
                self._view.renew()
            raise
        except StoreUnavailableError:
            # Another node may have its slots before long.
            self._view.renew()
            raise

    async def _insist(self, slot: int, command: tuple[Argument, ...]) -> Any:
        """Send a command until it is accepted.

        One command of a slot tries it out; all others wait until it is through, so that a slot on
        the move is not flooded. If its caller goes away, one of them tries on.
        """
        while True:
            bar = self._barred.setdefault(slot, _Bar())
            async with bar.turn:
                if not bar.lifted:
                    return await self._try_out(slot, command, bar)
            with suppress(NotHereError):
                return await self._ask(slot, command)

    async def _try_out(self, slot: int, command: tuple[Argument, ...], bar: _Bar) -> Any:
        """Send a command until it is accepted, or fails for another reason; then lift the bar."""
        try:
            reply = await self._ask_again(slot, command)
        except Exception:  # not if the caller goes away
            self._lift(slot, bar)
            raise
        self._lift(slot, bar)
        return reply

    async def _ask_again(self, slot: int, command: tuple[Argument, ...]) -> Any:
        for rest_s in _rests_s():
            await asyncio.sleep(rest_s)
            with suppress(NotHereError):
                return await self._ask(slot, command)
        raise AssertionError

    def _lift(self, slot: int, bar: _Bar) -> None:
        bar.lifted = True
        del self._barred[slot]

    def _node(self, address: Address) -> Multiplexer:
        if self._pruned_for is not self._view.map:
            self._prune()
        node = self._nodes.get(address)
        if node is None:
            connect, name = self._door.at(address), f"{address.host}:{address.port}"
            node = Multiplexer(connect, self._door.limits, name=name, figures=self.figures)
            self._nodes[address] = node
        return node

    def _prune(self) -> None:
        """Leave nodes that are none of the cluster's primaries any more."""
        self._pruned_for = self._view.map
        primaries = self._view.map.sizes() if self._view.map else {}
        for address in self._nodes.keys() - primaries.keys():
            leaving = asyncio.ensure_future(self._nodes.pop(address).close())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)


def _key_of(command: tuple[Argument, ...]) -> str:
    key = command[_KEY_AT.get(str(command[0]), 1)]
    return key.decode() if isinstance(key, bytes) else str(key)


def _rests_s() -> Iterator[float]:
    yield from _RESTS_S[:-1]
    while True:
        yield _RESTS_S[-1] * jitter.between(0.5, 1.0)
