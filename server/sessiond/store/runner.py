"""Runs scripts over a link to the engine: loads what it forgot, repeats what may be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from redis.exceptions import NoPermissionError, NoScriptError

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store.engine_errors import ConnectionLostError
from sessiond.store.laggards import enough_of
from sessiond.store.link import Argument, Link
from sessiond.store.loader import Script

_RETRY_DELAYS_S: Final = (0.0, 0.05)
_MOST_LOADS: Final = 3
"""How often a script is loaded for one run: its partition may go from node to node."""
_LAGGARDS_S: Final = 0.3
"""How long the other nodes are waited for, once one has answered."""
_RUN_AGAIN: Final = (ConnectionLostError, NoScriptError, NoPermissionError)
"""By itself a run repeats what it may, and says what it may not."""


class ScriptRunner:
    """Scripts and plain commands on one engine."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.figures: Final = link.figures
        self._loading: dict[tuple[str, Link], asyncio.Future[Any]] = {}

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

    async def holder(self, key: str) -> Link:
        """The link to the node that holds a key now; raises like `Link.holder`."""
        return await self._link.holder(key)

    async def nodes(self, keys: Iterable[str]) -> dict[Link, str]:
        """A link to each node that holds some of the keys, with one that it holds.

        Raises:
            StoreUnavailableError: it is not known which nodes those are.
        """
        return {await self._link.holder(key): key for key in keys}

    def doubt(self) -> None:
        """Have it found out again which nodes there are; see `Link.doubt`."""
        self._link.doubt()

    async def close(self) -> None:
        """Wait for what was sent, then disconnect."""
        await self._link.close()

    async def _run(self, script: Script, base: str, arguments: Sequence[Argument]) -> Any:
        try:
            for _ in range(_MOST_LOADS):
                try:
                    return await self._link.send("EVALSHA", script.sha, 1, base, *arguments)
                except NoScriptError:
                    await self._load(script, base)
            return await self._link.send("EVALSHA", script.sha, 1, base, *arguments)
        except NoPermissionError:
            raise StoreUnavailableError("the store refuses this server's credentials") from None
        except NoScriptError:
            raise StoreUnavailableError("the store forgets scripts") from None

    async def _load(self, script: Script, base: str) -> None:
        """Give a partition's node a script, once for all who miss it at the same time."""
        node = await self._link.holder(base)
        missed = (script.sha, node)
        loading = self._loading.get(missed)
        if loading is None:
            loading = asyncio.ensure_future(node.send("SCRIPT", "LOAD", script.source))
            self._loading[missed] = loading
            loading.add_done_callback(partial(self._loaded, missed))
        await asyncio.shield(loading)

    def _loaded(self, missed: tuple[str, Link], loading: asyncio.Future[Any]) -> None:
        del self._loading[missed]
        if not loading.cancelled():
            loading.exception()  # who waited for it may have left


async def those_that_answer(asked: Iterable[Awaitable[Any]]) -> list[Any]:
    """What nodes answer that were asked at once, without those that fail or are far behind others.

    Raises:
        StoreUnavailableError, ResponseError: none answers; why the first of them does not.
    """
    asking = [asyncio.ensure_future(each) for each in asked]
    try:
        await enough_of(asking, 1, _LAGGARDS_S)
    finally:
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    answered = [each for each in asking if each.done() and not each.cancelled()]
    answers = [each.result() for each in answered if not each.exception()]
    if not answers:
        raise next(
            (problem for each in answered if (problem := each.exception())),
            StoreUnavailableError("the store does not answer"),
        )
    return answers


async def _repeated(send: Callable[[], Awaitable[Any]]) -> Any:
    for delay in _RETRY_DELAYS_S:
        try:
            return await send()
        except ConnectionLostError:
            await asyncio.sleep(delay)
    return await send()
