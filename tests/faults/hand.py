"""A thread that processes are started, signalled and awaited in, so that the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from typing import ParamSpec, Self, TypeVar

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


class Hand:
    """Does what blocks, one thing after the other.

    It must be held until all that it started has ended, as their parent-death signal asks.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "arena")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    async def do(
        self,
        work: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> _Result:
        """What comes of it."""
        run = asyncio.get_running_loop().run_in_executor
        return await run(self._thread, lambda: work(*arguments, **options))

    @asynccontextmanager
    async def held(self, blocking: AbstractContextManager[_Result]) -> AsyncIterator[_Result]:
        """What enters and exits by blocking, as if it did not."""
        entered = await self.do(blocking.__enter__)
        try:
            yield entered
        finally:
            await self.do(blocking.__exit__, None, None, None)
