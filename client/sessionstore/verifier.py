"""Verifying access tokens without a call, for threads."""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from sessionstore._feed_thread import FeedThread
from sessionstore._forks import begin_anew_in_children
from sessionstore._verifying.making import make_judge
from sessionstore._verifying.refusals import no_answer
from sessionstore._verifying.rules import KeyNotKnownError, Rules
from sessionstore.client import SessionClient
from sessionstore.errors import SessionStoreError
from sessionstore.verifier_types import VerifiedToken, VerifierState, WhenStale


class LocalVerifier:
    """Verifies access tokens by itself, and hears at once of sessions that have ended.

    It keeps the service's public keys and the ended sessions of which a token may still look alive,
    told over one stream by a daemon thread that its first use starts. Make one per process and
    share it between threads. In a process forked from this one it begins anew, on first use.

    It states its age: every ending that is longer ago is known. While that is above `max_age`, and
    until the first snapshot, it is stale, and `when_stale` decides what becomes of a good token.

    Args:
        client: of role reader. It stays the caller's to close, after the verifier.
        audience: that tokens must be meant for (RFC 9068, 4).
        max_age: how late it may hear of an ending; checkpoints come every second.
        when_stale: ask the service, refuse, or accept.
        leeway: how long beyond its expiry a token is taken, for clocks that differ; at most 30 s.
        remember: how many verified tokens to remember, until each expires: about 2 KB each.

    Raises:
        ImportError: pyjwt is missing: `pip install 'sessionstore[verify]'`.
        ValueError: no audience, or a bound out of its range.
    """

    def __init__(
        self,
        client: SessionClient,
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
        self._feed: FeedThread | None = None
        self._starting = threading.Lock()
        self._forgotten: weakref.finalize[..., Any] | None = None
        begin_anew_in_children(self)

    def verify(self, token: str) -> VerifiedToken:
        """What a good token of a live session says.

        A token seen before costs a few microseconds, a new one its signature. Only an unknown key
        and, if it is to ask, a stale verifier make it wait for the service.

        Args:
            token: as it was presented, without "Bearer".

        Raises:
            TokenInvalid: forged, damaged, or not meant for this audience.
            TokenExpired: past its time; its session may be live.
            SessionEnded, SessionExpired, SessionNotFound: the session is not live. Why it ended is
                not known (`end_reason` is None) if it ended before the verifier began.
            Unavailable: it cannot know: stale, and not to ask or without an answer; or without the
                key. The first five are `CredentialRefused`; this one is not.
        """
        feed = self._feed or self._start()
        judge = self._judge
        with suppress(KeyNotKnownError):
            return judge.verify(token) or self._ask(token)
        new = feed.fetch_keys()
        verified = judge.verify(token, keys_are_new=True) if new else None
        return verified or self._ask(token)

    @property
    def age(self) -> timedelta | None:
        """Every ending that is longer ago is known; None before the first checkpoint."""
        return self.state.age

    @property
    def state(self) -> VerifierState:
        """How it is doing, for metrics and health checks."""
        return self._judge.state()

    def start(self) -> None:
        """Begin to listen. The first `verify` does so by itself, and is then stale."""
        self._feed or self._start()

    def wait_ready(self, timeout: float) -> bool:
        """Begin to listen, and wait until all endings and keys are known.

        Args:
            timeout: seconds.

        Returns:
            Whether they are; False after the timeout.
        """
        return (self._feed or self._start()).ready.wait(timeout)

    def close(self) -> None:
        """Stop listening, and wait for the thread's end. Later calls raise RuntimeError."""
        self._closed = True
        with self._starting:
            feed, self._feed = self._feed, None
        if feed:
            feed.stop()
            feed.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> FeedThread:
        with self._starting:
            if self._closed:
                raise RuntimeError("this verifier is closed")
            if self._feed is None:
                self._feed = FeedThread(self._client, self._judge)
                # Whoever forgets a verifier without `close` shall not be left with its thread.
                self._forgotten = weakref.finalize(self, self._feed.stop)
                self._feed.start()
            return self._feed

    def _ask(self, token: str) -> VerifiedToken:
        audience = self._judge.asking()
        try:
            answer = self._client.validate(access_token=token, audience=audience)
        except SessionStoreError as error:
            raise no_answer(error) from error
        return self._judge.verdict(token, answer)

    def _after_fork(self) -> None:
        """The thread is the parent's. Its stream is kept: to collect it would end it there."""
        _inherited.append(self._feed)
        if self._forgotten:
            self._forgotten.detach()
        self._judge = make_judge(self._rules)
        self._feed = None
        self._starting = threading.Lock()


_inherited: list[FeedThread | None] = []
