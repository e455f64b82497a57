"""A server's hold on a run."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from redis.exceptions import RedisError

from sessiond.domain.errors import SessionStoreError
from sessiond.store.job_ledger import Claim, JobLedger

_RENEWALS: Final = 3
"""How often a lease is renewed before it would run out."""


class LeaseLostError(Exception):
    """The run may be another server's by now."""


class Lease:
    """Held while it is renewed. It is lost to a server that took over, or by running out."""

    def __init__(self, ledger: JobLedger, job: str, server: str, length_s: float) -> None:
        """Set what to claim, for whom, and for how long at a time."""
        self.run: Final = secrets.token_hex(8)
        """The id of the run, once it is claimed."""
        self._ledger = ledger
        self._job = job
        self._server = server
        self._length_s = length_s
        self._until = 0.0
        self._progress = (0, 0)

    async def claim(self, slot_ms: int | None) -> Claim:
        """Claim a slot, or a run on request if there is none."""
        # What the store grants from when it was asked is no longer than from here.
        self._until = asyncio.get_running_loop().time() + self._length_s
        return await self._ledger.claim(
            self._job, self.run, self._server, slot_ms=slot_ms, lease_ms=self._length_ms
        )

    async def progress(self, done: int, total: int) -> None:
        """Take note of how far the run is; the next renewal tells the others."""
        self._progress = (done, total)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Renew while the body goes on.

        Raises:
            LeaseLostError: it was lost, and the body was cancelled.
        """
        bound = asyncio.timeout_at(self._until)
        try:
            async with bound:
                keeping = asyncio.create_task(self._keep(bound))
                try:
                    yield
                finally:
                    keeping.cancel()
                    await asyncio.wait([keeping])
        except TimeoutError:
            if bound.expired():
                raise LeaseLostError from None
            raise

    async def release(self) -> None:
        """Leave the run to whoever asks next, if the store can be told."""
        with suppress(SessionStoreError, RedisError):
            await self._ledger.release(self._job, self.run, *self._progress)

    @property
    def _length_ms(self) -> int:
        return int(self._length_s * 1000)

    async def _keep(self, bound: asyncio.Timeout) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._length_s / _RENEWALS)
            asked = clock()
            try:
                held = await self._ledger.renew(
                    self._job, self.run, self._length_ms, *self._progress
                )
            except (SessionStoreError, RedisError):
                continue  # it is ours until it runs out
            if bound.expired():
                return
            bound.reschedule(asked + self._length_s if held else asked)
