"""The keys behind a server: walked after the rounds, and its engine's clock."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store.connect import open_link
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits
from sessiond.store.runner import ScriptRunner
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.faults.tally import Tally
from tests.store.inside import Inside
from tests.store.kit import ENDS
from tests.store.walk import walk

_WALKS = 3
"""Before a disagreement is believed."""
_ALL_AT_ONCE = LinkLimits(in_flight=1_000_000, read_s=30.0)
"""A walk asks for every key there is, and is in no hurry."""


@dataclass(frozen=True)
class Behind:
    """An engine that a server keeps its sessions in."""

    store: Store
    inside: Inside
    shifted_ms: int = 0
    """How much longer than they should keys may be kept, as their slots moved."""

    async def reach(self) -> None:
        """Find every part of the store again, wherever it has gone meanwhile."""
        for base in self.inside.keys.bases:
            while True:
                with suppress(StoreUnavailableError):
                    await self.inside.ask("EXISTS", base)
                    break

    async def walk(self, tally: Tally) -> None:
        """Note whether counters, indexes and hashes disagree, then forget all sessions."""
        await self.reach()
        found = await self.disagreement()
        tally.check(not found, f"the keys disagree: {found}")
        await self.inside.wipe()

    async def disagreement(self) -> str:
        """What of the counters, indexes and hashes disagrees; empty if nothing does.

        A walk takes a while, in which a call that nobody waits for any more may still write: what
        disagrees only once does not count.
        """
        for _ in range(_WALKS):
            if not (found := await self._disagreement()):
                break
        return found

    async def _disagreement(self) -> str:
        try:
            await walk(self.store, self.inside, shifted_ms=self.shifted_ms)
        except (AssertionError, KeyError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            return f"{where.line} ({where.name}) {error}"
        return ""

    async def reaches(self, ms: int) -> None:
        """Wait until the engine's clock is past this time."""
        while True:
            left_ms = ms - await self.inside.now_ms()
            if left_ms < 0:
                return
            await asyncio.sleep((left_ms + 1) / 1000)


@asynccontextmanager
async def look_behind(url: str, prefix: str, *, shifted_ms: int = 0) -> AsyncIterator[Behind]:
    """Look at an engine, past the server and any proxy."""
    runner, keys = ScriptRunner(open_link(url, _ALL_AT_ONCE)), Keyspace(prefix)
    inside = Inside(runner, keys, prefix, shebang=True)
    await inside.wipe()
    try:
        yield Behind(Store(ScriptSet(runner, keys, ENDS)), inside, shifted_ms)
    finally:
        await runner.close()
