"""How much of what a primary had written its successor has: measured, not guessed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store import info
from sessiond.store.connect import open_link
from sessiond.store.link import LinkLimits
from tests.engines import RealEngine

_POLL_S: Final = 0.01


@dataclass
class Offsets:
    """How far the history of a primary had come, and when: asked for again and again."""

    history: str = ""
    _read: list[tuple[float, int]] = field(default_factory=list)
    """When it was asked for, and how many bytes there were."""

    def kept_until(self, successor: Mapping[str, Any]) -> float | None:
        """Whatever had been answered by then the successor has, by what its INFO says.

        None if it goes on with another history, or with less than all that was read of this one.
        """
        if successor["master_replid2"] != self.history:
            return None
        kept = int(successor["second_repl_offset"]) - 1
        return max((at for at, offset in self._read if offset <= kept), default=None)

    def note(self, asked: float, told: Mapping[str, str]) -> None:
        """What its INFO says."""
        self.history = told["master_replid"]
        self._read.append((asked, int(told["master_repl_offset"])))


@asynccontextmanager
async def offsets_of(engine: RealEngine) -> AsyncIterator[Offsets]:
    """Read while the block runs, as long as the engine answers."""
    link, offsets = open_link(engine.url, LinkLimits()), Offsets()

    async def read() -> None:
        asked = time.monotonic()
        offsets.note(asked, info.parsed(await link.send("INFO", "replication")))

    async def read_on() -> None:
        with suppress(StoreUnavailableError):
            while True:
                await asyncio.sleep(_POLL_S)
                await read()

    await read()
    reading = asyncio.create_task(read_on())
    try:
        yield offsets
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await link.close()
