"""What keeps a verifier informed, as a task of an event loop."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from sessionstore._channel import ClosedError
from sessionstore._verifying.feed import TYPES
from sessionstore._verifying.steady import steady_s
from sessionstore.aio import AsyncSessionClient
from sessionstore.errors import SessionStoreError
from sessionstore.watch_types import Checkpoint

if TYPE_CHECKING:
    from sessionstore._verifying.judge import Judge

_KEYS_TIMEOUT_S = 1.0
"""The feed waits for keys no longer than this: meanwhile it hears of nothing."""


class FeedTask:
    """Tells a judge what streams tell, and fetches its keys, until it is stopped."""

    def __init__(self, client: AsyncSessionClient, judge: Judge) -> None:
        self.loop = asyncio.get_running_loop()
        self.ready = asyncio.Event()
        """Set once the judge knew all that it has to."""
        self._client = client
        self._judge = judge
        self._fetching = asyncio.Lock()
        self._task = self.loop.create_task(self._run(), name="sessionstore-feed")

    def stop(self) -> None:
        """End the stream and the task, from any thread; does not wait."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._task.cancel)

    async def join(self) -> None:
        """Wait for the task's end, after `stop`."""
        await asyncio.wait([self._task])

    async def fetch_keys(self) -> bool:
        """Fetch the keys now; False if there was no answer, or none a moment ago.

        Callers that need them at once send one request.
        """
        async with self._fetching:
            return self._judge.keys.are_recent(steady_s()) or await self._fetch(None)

    async def _run(self) -> None:
        while True:
            try:
                delay_s = await self._follow()
            except ClosedError as closed:
                self._judge.last_error = closed
                return
            await asyncio.sleep(delay_s)

    async def _follow(self) -> float:
        """Follow one stream to its end; seconds to wait before the next."""
        error: Exception | None = None
        try:
            await self._fetch_if_due()
            await self._read(self._judge.feed.opening())
        except ClosedError:
            raise
        except Exception as failure:  # noqa: BLE001  a service token that cannot be read, for one
            self._judge.last_error = error = failure
        finally:
            delay_s = self._judge.feed.over(error)
        return delay_s

    async def _read(self, cursor: str) -> None:
        async with aclosing(self._client.watch(cursor, types=TYPES)) as watch:
            async for update in watch:
                if not self._judge.received(update):
                    return
                if isinstance(update, Checkpoint):
                    await self._fetch_if_due()
                    if not self._judge.stale:
                        self.ready.set()

    async def _fetch_if_due(self) -> None:
        if self._judge.keys.are_due(steady_s()) and not self._fetching.locked():
            async with self._fetching:
                await self._fetch(_KEYS_TIMEOUT_S)

    async def _fetch(self, timeout: float | None) -> bool:  # noqa: ASYNC109  the call's deadline
        sent_s = steady_s()
        if not self._judge.keys.asking(sent_s):
            return False
        try:
            answer = await self._client.signing_keys(timeout=timeout)
        except SessionStoreError as error:
            self._judge.last_error = error
            return False
        self._judge.keys.took(answer, sent_s, steady_s())
        return True
