"""The workers of one generation: all have the same settings."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from sessiond.domain.errors import StartupError
from sessiond.running.waiting import first_of
from sessiond.supervisor.keeper import Keeper
from sessiond.supervisor.orders import Orders


class Fleet:
    """Workers that come up together, and are drained one after the other."""

    def __init__(self, orders: Iterable[Orders]) -> None:
        """Set who belongs to it: a worker for each of the orders."""
        self.keepers: Final = [Keeper(each, self._failed) for each in orders]
        """Those who keep its workers."""
        self._failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def restarts(self) -> int:
        """How often a worker was started in place of one that died."""
        return sum(keeper.restarts for keeper in self.keepers)

    def start(self) -> None:
        """Start the workers."""
        for keeper in self.keepers:
            keeper.start()

    async def until_serving(self) -> None:
        """Wait until every worker answers calls.

        Raises:
            StartupError: the sentence that a worker ended with: their settings are no good.
        """
        await self._until(keeper.serving.wait() for keeper in self.keepers)

    async def until_ready(self) -> None:
        """Wait until every worker has used the store.

        Raises:
            StartupError: see `until_serving`.
        """
        await self._until(keeper.ready.wait() for keeper in self.keepers)

    async def failed(self) -> None:
        """Wait until a worker has ended with a sentence before any was ever ready.

        Raises:
            StartupError: that sentence.
        """
        raise StartupError(await asyncio.shield(self._failure))

    async def drain(self, hurry: asyncio.Event) -> None:
        """Drain one worker after the other; once `hurry` is set, all that are left."""
        in_turn = asyncio.create_task(self._drain_in_turn())
        hurried = asyncio.create_task(hurry.wait())
        try:
            await first_of(in_turn, hurried)
        finally:
            in_turn.cancel()
            hurried.cancel()
        await self.drain_at_once()

    async def drain_at_once(self) -> None:
        """Drain all workers at the same time."""
        await asyncio.gather(*(keeper.drain() for keeper in self.keepers))

    async def _drain_in_turn(self) -> None:
        for keeper in self.keepers:
            await keeper.drain()

    async def _until(self, waits: Iterable[Coroutine[Any, Any, Any]]) -> None:
        all_are = asyncio.gather(*waits)
        failed = asyncio.create_task(self.failed())
        try:
            await first_of(all_are, failed)
            if failed.done():
                failed.result()
        finally:
            all_are.cancel()
            failed.cancel()
            await asyncio.gather(all_are, failed, return_exceptions=True)

    def _failed(self, problem: str) -> None:
        # Once a worker was ready the settings are good: what fails then may be mended.
        if not self._failure.done() and not any(k.was_ready for k in self.keepers):
            self._failure.set_result(problem)
