"""Runs scripts over a link to the engine: loads what it forgot, repeats what may be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from redis.exceptions import NoPermissionError, NoScriptError

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store.engine_errors import ConnectionLostError
from sessiond.store.link import Argument, Link
from sessiond.store.loader import Script

_RETRY_DELAYS_S: Final = (0.0, 0.05)
_RUN_AGAIN: Final = (ConnectionLostError, NoScriptError, NoPermissionError)
"""By itself a run repeats what it may, and says what it may not."""


class ScriptRunner:
    """Scripts and plain commands on one engine."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.figures: Final = link.figures
        self._loading: dict[str, asyncio.Future[Any]] = {}

    async def run(
        self, script: Script, base: str, arguments: Sequence[Argument], *, idempotent: bool
    ) -> Any:
        """Run a script on one partition and return its raw reply.

        An idempotent one is sent up to three times while the connection breaks under it. Another
        one that failed may have run. Raises like `Link.send`.
        """
        send = partial(self._run, script, base, arguments)
        return await (_repeated(send) if idempotent else send())

    async def run_many(
        self, script: Script, calls: Sequence[tuple[str, Sequence[Argument]]]
    ) -> list[Any]:
        """Run an idempotent script with each base and arguments, all sent at once.

        Raises like `Link.send`, if any of them does.
        """
        sent = (self._link.send("EVALSHA", script.sha, 1, base, *rest) for base, rest in calls)
        replies = await asyncio.gather(*sent, return_exceptions=True)
        failed = [i for i, reply in enumerate(replies) if isinstance(reply, _RUN_AGAIN)]
        runs = (self.run(script, *calls[i], idempotent=True) for i in failed)
        for i, reply in zip(
            failed, await asyncio.gather(*runs, return_exceptions=True), strict=True
        ):
            replies[i] = reply
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return replies

    async def command(self, *command: Argument) -> Any:
        """Run one plain command; raises like `Link.send`."""
        return await self._link.send(*command)

    async def read(self, *command: Argument) -> Any:
        """Run one plain command that only reads, sent again like an idempotent script."""
        return await _repeated(partial(self._link.send, *command))

    async def close(self) -> None:
        """Wait for what was sent, then disconnect."""
        await self._link.close()

    async def _run(self, script: Script, base: str, arguments: Sequence[Argument]) -> Any:
        try:
            try:
                return await self._link.send("EVALSHA", script.sha, 1, base, *arguments)
            except NoScriptError:
                await self._load(script)
                return await self._link.send("EVALSHA", script.sha, 1, base, *arguments)
        except NoPermissionError:
            raise StoreUnavailableError("the store refuses this server's credentials") from None
        except NoScriptError:
            raise StoreUnavailableError("the store forgets scripts") from None

    async def _load(self, script: Script) -> None:
        """Give the engine a script, once for all who miss it at the same time."""
        loading = self._loading.get(script.sha)
        if loading is None:
            loading = asyncio.ensure_future(self._link.send("SCRIPT", "LOAD", script.source))
            self._loading[script.sha] = loading
            loading.add_done_callback(lambda _: self._loading.pop(script.sha, None))
        await asyncio.shield(loading)


async def _repeated(send: Callable[[], Awaitable[Any]]) -> Any:
    for delay in _RETRY_DELAYS_S:
        try:
            return await send()
        except ConnectionLostError:
            await asyncio.sleep(delay)
    return await send()
