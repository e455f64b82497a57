"""What keeps a verifier informed, on a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sessionstore._channel import ClosedError
from sessionstore._verifying.feed import TYPES
from sessionstore._verifying.steady import steady_s
from sessionstore._watch import Watch
from sessionstore.client import SessionClient
from sessionstore.errors import SessionStoreError
from sessionstore.watch_types import Checkpoint

if TYPE_CHECKING:
    from sessionstore._verifying.judge import Judge

_KEYS_TIMEOUT_S = 1.0
"""The feed waits for keys no longer than this: meanwhile it hears of nothing."""


class FeedThread:
    """Tells a judge what streams tell, and fetches its keys, until it is stopped.

    The thread is a daemon's, of one process: a forked one needs its own.
    """

    def __init__(self, client: SessionClient, judge: Judge) -> None:
        self.ready = threading.Event()
        """Set once the judge knew all that it has to."""
        self._client = client
        self._judge = judge
        self._stopping = threading.Event()
        self._fetching = threading.Lock()
        self._watch: Watch | None = None
        self._thread = threading.Thread(target=self._run, name="sessionstore-feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the stream and the thread; does not wait."""
        self._stopping.set()
        if watch := self._watch:
            watch.close()

    def join(self) -> None:
        """Wait for the thread's end, after `stop`."""
        self._thread.join()

    def fetch_keys(self) -> bool:
        """Fetch the keys now; False if there was no answer, or none a moment ago.

        Threads that need them at once send one request.
        """
        with self._fetching:
            return self._judge.keys.are_recent(steady_s()) or self._fetch(None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                delay_s = self._follow()
            except ClosedError as closed:
                self._judge.last_error = closed
                return
            self._stopping.wait(delay_s)

    def _follow(self) -> float:
        """Follow one stream to its end; seconds to wait before the next."""
        error: Exception | None = None
        try:
            self._fetch_if_due()
            with self._client.watch(self._judge.feed.opening(), types=TYPES) as watch:
                self._watch = watch
                self._read(watch)
        except ClosedError:
            raise
        except Exception as failure:  # noqa: BLE001  a service token that cannot be read, for one
            self._judge.last_error = error = failure
        finally:
            self._watch = None
            delay_s = self._judge.feed.over(error)
        return delay_s

    def _read(self, watch: Watch) -> None:
        if self._stopping.is_set():  # by somebody who did not see the stream yet
            return
        for update in watch:
            if not self._judge.received(update):
                return
            if isinstance(update, Checkpoint):
                self._fetch_if_due()
                if not self._judge.stale:
                    self.ready.set()

    def _fetch_if_due(self) -> None:
        if self._judge.keys.are_due(steady_s()) and self._fetching.acquire(blocking=False):
            try:
                self._fetch(_KEYS_TIMEOUT_S)
            finally:
                self._fetching.release()

    def _fetch(self, timeout: float | None) -> bool:
        sent_s = steady_s()
        if not self._judge.keys.asking(sent_s):
            return False
        try:
            answer = self._client.signing_keys(timeout=timeout)
        except SessionStoreError as error:
            self._judge.last_error = error
            return False
        self._judge.keys.took(answer, sent_s, steady_s())
        return True
