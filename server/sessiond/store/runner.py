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
