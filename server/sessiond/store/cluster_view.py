"""What a cluster looks like now: its slot map, kept up to date by asking its nodes.

Nodes learn of a change one after the other, and one that is cut off does not. So several are asked
at once, and the view that most of those share who answer soon is taken. What a node that refused a
command says of one slot goes before it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection
from typing import Final

import structlog
from redis.exceptions import ResponseError

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store.access import Door
from sessiond.store.engine_errors import NotHereError, lost
from sessiond.store.line import Line
from sessiond.store.slot_map import SlotMap
from sessiond.store.store_url import Address

_MOST_ASKED: Final = 5
_SOON_S: Final = 0.05
"""How long others may answer after the first one."""
_LEAST_S: Final = 0.1
"""Between two times that the nodes are asked, whatever happens."""
_MOST_S: Final = 10.0
"""The same, if nothing happens."""
_CHANCE: Final = random.SystemRandom()


class ClusterView:
    """Belongs to one event loop. It asks when it is asked, and keeps no connection."""

    def __init__(self, seeds: Collection[Address], door: Door) -> None:
        """Set where to begin: some nodes of the cluster, one of which is enough."""
        self._seeds: Final = frozenset(seeds)
        self._door: Final = door
        self._moved: dict[int, Address] = {}
        """Slots that have left the place that the map shows."""
        self._renewing: asyncio.Task[None] | None = None
        self._asked_s = float("-inf")
        self._problem = "no node of the cluster answers"
        self._log = structlog.get_logger("sessiond.store")
        self.map: SlotMap | None = None
        """The latest one; None before the first."""

    async def primary(self, slot: int) -> Address:
        """Who holds a slot now, as far as is known.

        Raises:
            StoreUnavailableError: no node answers.
            NotHereError: nobody holds it.
        """
        if self.map is None:
            await asyncio.wait([self.renew()])
        elif asyncio.get_running_loop().time() > self._asked_s + _MOST_S:
            self.renew()
        if self.map is None:
            raise StoreUnavailableError(self._problem)
        address = self._moved.get(slot) or self.map.primary(slot)
        if address is None:
            self.renew()
            raise NotHereError("no node of the cluster holds this slot")
        return address

    def moved(self, slot: int, address: Address) -> None:
        """Take note that a node named another one as the holder of a slot."""
        self._moved[slot] = address
        self.renew()

    def renew(self) -> asyncio.Task[None]:
        """Ask the nodes again, soon."""
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._renew())
        return self._renewing

    async def close(self) -> None:
        """Ask no more, until it is asked again."""
        if self._renewing:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])

    async def _renew(self) -> None:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._asked_s + _LEAST_S - clock())
        self._asked_s = clock()
        known = self.map.nodes if self.map else frozenset[Address]()
        asked = _CHANCE.sample(sorted(known), min(len(known), _MOST_ASKED))
        views = await self._views(asked) or await self._views(self._seeds)
        if views:
            self._take(Counter(views).most_common(1)[0][0])

    async def _views(self, addresses: Collection[Address]) -> list[SlotMap]:
        """The maps of those who answer, in the order in which they came."""
        asking = [asyncio.ensure_future(self._view_of(address)) for address in addresses]
        views: list[SlotMap] = []
        try:
            async with asyncio.timeout(None) as patience:
                for answer in asyncio.as_completed(asking):
                    view = await answer
                    if view and not views:
                        patience.reschedule(asyncio.get_running_loop().time() + _SOON_S)
                    if view:
                        views.append(view)
        except TimeoutError:
            pass
        finally:
            for each in asking:
                each.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return views

    async def _view_of(self, address: Address) -> SlotMap | None:
        """The map as a node has it, if it answers."""
        line = None
        try:
            line = await Line.open(self._door.at(address), self._door.limits)
            (reply,) = await line.ask(("CLUSTER", "SLOTS"))
            return SlotMap.parse(reply, address)
        except Exception as error:  # noqa: BLE001  whatever it was, others are asked
            self._note(address, error)
            return None
        finally:
            if line:
                await line.close()

    def _note(self, address: Address, error: Exception) -> None:
        """Keep why a node did not answer, and log it, for as long as none has."""
        problem = str(lost(error))
        if isinstance(error, ResponseError | ValueError):
            problem = "the store is no cluster that tells its slots"
        if self.map is None and problem != self._problem:
            what = f"{type(error).__name__}: {error}"
            self._log.warning("cluster_unknown", node=_text(address), problem=what)
        self._problem = problem

    def _take(self, fresh: SlotMap) -> None:
        self._moved.clear()
        if self.map is None or fresh.ranges != self.map.ranges:
            sizes = {_text(address): slots for address, slots in fresh.sizes().items()}
            self._log.info("cluster_slots", slots=sizes)
        self.map = fresh


def _text(address: Address) -> str:
    return f"{address.host}:{address.port}"
