"""Logs of events, written as scripts write them, and followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from sessiond.domain import ids
from sessiond.domain.events import Event
from sessiond.domain.session import EndReason
from sessiond.store.access import Access
from sessiond.store.cluster_tail import ClusterTail
from sessiond.store.connect import tails
from sessiond.store.link import LinkLimits
from sessiond.store.log_tail import Checkpoint, LogTail, TailRead
from tests.engines import Reachable
from tests.store.inside import Inside, partition_of, scripts_of
from tests.store.kit import ALICE

QUICK: Final = LinkLimits(connect_s=0.3, read_s=0.3)


async def write(
    inside: Inside, count: int = 1, *, user: str = ALICE, ms: int | str = "*"
) -> list[str]:
    """Append endings to the log of a user's partition; their session ids."""
    log = inside.keys.log(partition_of(user))
    sessions = [ids.new_session_id(user) for _ in range(count)]
    entries = (("e", int(EndReason.LOGOUT), "s", i, "u", user, "d", 1) for i in sessions)
    at = ms if ms == "*" else f"{ms}-*"
    await asyncio.gather(*(inside.ask("XADD", log, at, *entry) for entry in entries))
    return sessions


async def trim(inside: Inside, left: int = 0, *, user: str = ALICE) -> None:
    """Leave so many of the latest events in the log of a user's partition."""
    await inside.ask("XTRIM", inside.keys.log(partition_of(user)), "MAXLEN", left)


class Following:
    """A tail, and what it has given."""

    def __init__(self, tail: LogTail | ClusterTail) -> None:
        self.tail = tail
        self.events: list[Event] = []
        self.checkpoints: list[Checkpoint] = []
        self.reconnections = 0

    @property
    def sessions(self) -> list[str]:
        return [event.session_id for event in self.events]

    async def read(self) -> TailRead:
        read = await self.tail.read()
        for stretch in read.stretches:
            self.events += stretch.events
        if read.checkpoint:
            self.checkpoints.append(read.checkpoint)
        self.reconnections += read.reconnected
        return read

    async def until(self, condition: Callable[[], object]) -> None:
        """Read until it is so; pytest's timeout ends a wait in vain."""
        while not condition():
            await self.read()

    async def given(self, sessions: list[str]) -> None:
        """Read until events of these sessions are all that was given, in this order."""
        await self.until(lambda: self.sessions == sessions)

    async def checkpoint(self) -> Checkpoint:
        """The next one."""
        before = len(self.checkpoints)
        await self.until(lambda: len(self.checkpoints) > before)
        return self.checkpoints[-1]


def tail_of(engine: Reachable, inside: Inside, limits: LinkLimits = QUICK) -> LogTail | ClusterTail:
    """A tail that has not begun."""
    return tails(engine.url, limits, Access(), scripts_of(inside))()


@asynccontextmanager
async def following(
    engine: Reachable, inside: Inside, limits: LinkLimits = QUICK
) -> AsyncIterator[Following]:
    """A tail that has begun where the logs end."""
    tail = tail_of(engine, inside, limits)
    await tail.begin()
    try:
        yield Following(tail)
    finally:
        await tail.close()
