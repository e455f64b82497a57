"""Asks the sentinels of a group where its primary is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from redis.exceptions import ConnectionError as RedisConnectionError

from sessiond.store.access import Connect
from sessiond.store.laggards import enough_of
from sessiond.store.line import Line
from sessiond.store.link import LinkLimits
from sessiond.store.store_url import Address

_LAGGARDS_S: Final = 0.1
"""How long the others are waited for, once a majority has answered."""


class Named(NamedTuple):
    """A primary, and the epoch of the failover that made it one."""

    epoch: int
    address: Address


class PrimaryUnknownError(RedisConnectionError):
    """No sentinel can be believed now."""


@dataclass
class Panel:
    """The sentinels, each over a line of its own. One task at a time may ask."""

    sentinels: Sequence[Connect]
    group: str
    limits: LinkLimits
    _lines: dict[int, Line] = field(default_factory=dict)

    async def ask(self) -> list[Named]:
        """What they answer: all who do in time, and soon after a majority has."""
        asked = [asyncio.create_task(self._ask(i)) for i in range(len(self.sentinels))]
        try:
            await enough_of(asked, len(asked) // 2 + 1, _LAGGARDS_S)
            return [task.result() for task in asked if task.done() and not task.exception()]
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def close(self) -> None:
        """Disconnect from all."""
        while self._lines:
            await self._lines.popitem()[1].close()

    async def _ask(self, number: int) -> Named:
        line = self._lines.pop(number, None)
        if line is None:
            line = await Line.open(self.sentinels[number], self.limits)
        try:
            place, described = await line.ask(
                ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.group),
                ("SENTINEL", "MASTER", self.group),
            )
            named = _named(place, described)
        except BaseException:
            await line.close()
            raise
        self._lines[number] = line
        return named


@dataclass
class Sentinels:
    """Those of one group, and what they said last."""

    doors: Sequence[Connect]
    group: str
    limits: LinkLimits
    _newest: Named | None = None

    @asynccontextmanager
    async def panel(self) -> AsyncIterator[Panel]:
        """Lines to all of them."""
        panel = Panel(self.doors, self.group, self.limits)
        try:
            yield panel
        finally:
            await panel.close()

    async def primary(self, panel: Panel) -> Address:
        """Where the primary is.

        The newest epoch counts. Of a majority it is taken as it is; without one nobody is believed
        who knows less than was known before: a sentinel that is cut off, with an old primary.

        Raises:
            PrimaryUnknownError: too few answer, or none knows of such a group.
        """
        answers = await panel.ask()
        if not answers:
            raise PrimaryUnknownError("no sentinel answers")
        newest = max(answers)
        is_majority = len(answers) > len(self.doors) // 2
        if self._newest and not is_majority and newest.epoch < self._newest.epoch:
            raise PrimaryUnknownError("the sentinels that answer know less than others did")
        self._newest = newest
        return newest.address


def _named(place: Any, described: Any) -> Named:
    """An answer. The epoch and the address change together, before the description does."""
    known = dict(zip(described[::2], described[1::2], strict=True))
    host, port = place
    return Named(int(known[b"config-epoch"]), Address(host.decode(), int(port)))
