"""Verifying access tokens without a call, for asyncio."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from sessionstore._feed_task import FeedTask
from sessionstore._forks import begin_anew_in_children
from sessionstore._verifying.making import make_judge
from sessionstore._verifying.refusals import no_answer
from sessionstore._verifying.rules import KeyNotKnownError, Rules
from sessionstore.aio import AsyncSessionClient
from sessionstore.errors import SessionStoreError
from sessionstore.verifier_types import VerifiedToken, VerifierState, WhenStale


class AsyncLocalVerifier:
    """`LocalVerifier` for asyncio: the same arguments, answers and errors, awaited.

    It listens by a task of the running loop. It belongs to the event loop of its first use, and to
    the next one once that loop is closed: what it knows stays, and it hears what it missed. It may
    be made before a fork, but not used: gRPC for asyncio does not live on through one.
    """

    def __init__(
        self,
        client: AsyncSessionClient,
        *,
        audience: str,
        max_age: timedelta = timedelta(seconds=5),
        when_stale: WhenStale = WhenStale.ASK,
        leeway: timedelta = timedelta(seconds=30),
        remember: int = 100_000,
    ) -> None:
        self._client = client
        self._rules = Rules.of(audience, max_age, when_stale, leeway, remember)
        self._closed = False
        self._judge = make_judge(self._rules)
        self._feed: FeedTask | None = None
        self._forgotten: weakref.finalize[..., Any] | None = None
        begin_anew_in_children(self)

    async def verify(self, token: str) -> VerifiedToken:
        """What a good token of a live session says; see `LocalVerifier.verify`."""
        feed = self._running()
        judge = self._judge
        with suppress(KeyNotKnownError):
            return judge.verify(token) or await self._ask(token)
        new = await feed.fetch_keys()
        verified = judge.verify(token, keys_are_new=True) if new else None
        return verified or await self._ask(token)

    @property
    def age(self) -> timedelta | None:
        """Every ending that is longer ago is known; None before the first checkpoint."""
        return self.state.age

    @property
    def state(self) -> VerifierState:
        """How it is doing, for metrics and health checks."""
        return self._judge.state()

    async def start(self) -> None:
        """Begin to listen. The first `verify` does so by itself, and is then stale."""
        self._running()

    async def wait_ready(self, timeout: float) -> bool:  # noqa: ASYNC109  as in LocalVerifier
        """Begin to listen, and wait until all endings and keys are known; see `LocalVerifier`."""
        try:
            await asyncio.wait_for(self._running().ready.wait(), timeout)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop listening, and wait for the task's end. Later calls raise RuntimeError."""
        self._closed = True
        feed, self._feed = self._feed, None
        if feed:
            feed.stop()
            if feed.loop is asyncio.get_running_loop():
                await feed.join()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _running(self) -> FeedTask:
        feed = self._feed
        if feed is None or feed.loop is not asyncio.get_running_loop():
            feed = self._start()
        return feed

    def _start(self) -> FeedTask:
        if self._closed:
            raise RuntimeError("this verifier is closed")
        if self._feed and not self._feed.loop.is_closed():
            raise RuntimeError("this verifier belongs to another event loop")
        if self._forgotten:
            self._forgotten.detach()
        feed = self._feed = FeedTask(self._client, self._judge)
        # Whoever forgets a verifier without `close` shall not be left with its task.
        self._forgotten = weakref.finalize(self, feed.stop)
        return feed

    async def _ask(self, token: str) -> VerifiedToken:
        audience = self._judge.asking()
        try:
            answer = await self._client.validate(access_token=token, audience=audience)
        except SessionStoreError as error:
            raise no_answer(error) from error
        return self._judge.verdict(token, answer)

    def _after_fork(self) -> None:
        """Tasks and loop are the parent's."""
        if self._forgotten:
            self._forgotten.detach()
        self._judge = make_judge(self._rules)
        self._feed = None
