"""Runs scripts over a link to the engine: loads what it forgot, repeats what may be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import NoPermissionError, NoScriptError

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store.engine_errors import ConnectionLostError
from sessiond.store.link import Argument, Link
from sessiond.store.loader import Script

_RETRY_DELAYS_S: Final = (0.0, 0.05)
_SAFE_TO_REPEAT: Final = (NoScriptError, ConnectionLostError)


class ScriptRunner:
    """Scripts and plain commands on one engine."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def run(
        self, script: Script, base: str, arguments: Sequence[Argument], *, idempotent: bool
    ) -> Any:
        """Run a script on one partition and return its raw reply.

        An idempotent one is sent up to three times while the connection breaks under it. Another
        one that failed may have run. Raises like `Link.send`.
        """
        for delay in _RETRY_DELAYS_S if idempotent else ():
            try:
                return await self._run(script, base, arguments)
            except ConnectionLostError:
                await asyncio.sleep(delay)
        return await self._run(script, base, arguments)

    async def run_many(
        self, script: Script, calls: Sequence[tuple[str, Sequence[Argument]]]
    ) -> list[Any]:
        """Run an idempotent script with each base and arguments, all sent at once.

        Raises like `Link.send`, if any of them does.
        """
        sent = (self._link.send("EVALSHA", script.sha, 1, base, *rest) for base, rest in calls)
        replies = await asyncio.gather(*sent, return_exceptions=True)
        lost = [i for i, reply in enumerate(replies) if isinstance(reply, _SAFE_TO_REPEAT)]
        again = (self.run(script, *calls[i], idempotent=True) for i in lost)
        for i, reply in zip(lost, await asyncio.gather(*again), strict=True):
            replies[i] = reply
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return replies

    async def command(self, *command: Argument) -> Any:
        """Run one plain command; raises like `Link.send`."""
        return await self._link.send(*command)

    async def close(self) -> None:
        """Wait for what was sent, then disconnect."""
        await self._link.close()

    async def _run(self, script: Script, base: str, arguments: Sequence[Argument]) -> Any:
        try:
            try:
                return await self._link.send("EVALSHA", script.sha, 1, base, *arguments)
            except NoScriptError:
                return await self._link.send("EVAL", script.source, 1, base, *arguments)
        except NoPermissionError:
            raise StoreUnavailableError("the store refuses this server's credentials") from None
