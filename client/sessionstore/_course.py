"""Where a watch goes on after one of its streams has ended, and when."""

from __future__ import annotations

import random
from datetime import timedelta
from math import ldexp

import grpc

from sessionstore.errors import (
    CallerNotAuthenticated,
    CallerNotPermitted,
    InvalidRequest,
    SessionStoreError,
)
from sessionstore.watch_types import CURSOR_IS_USELESS, Checkpoint, Interrupted, WatchUpdate

SHORTEST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0
_MOST_DOUBLINGS = 10

# The system's: forked processes would throw the same as their siblings.
_dice = random.SystemRandom()

_HOPELESS = (CallerNotAuthenticated, CallerNotPermitted)


class Course:
    """The cursor of a watch, and how long its streams have been failing.

    Streams that bring a checkpoint are good, and the next one follows at once. Others are tried
    again after 0.1 s, and then twice that, up to 5 s, each time less a random part of up to a half:
    watchers of one server shall not come back at one moment.
    """

    def __init__(self, cursor: str = "") -> None:
        self.cursor = cursor
        self._failures = 0
        self._good = False

    def passed(self, update: WatchUpdate) -> None:
        """An update was worked off: go on behind it."""
        self.cursor = update.cursor or self.cursor
        if isinstance(update, Checkpoint):
            self._failures = 0
            self._good = True

    def interrupted(self, error: SessionStoreError | None) -> Interrupted:
        """What is told when a stream has ended, with OK if there is no error.

        Raises:
            SessionStoreError: the error, if to try again would only hide what has to be mended.
        """
        if error and self._is_hopeless(error):
            raise error
        delay = self.over(error)
        return Interrupted(error=error, retry_delay=timedelta(seconds=delay), cursor=self.cursor)

    def over(self, error: Exception | None) -> float:
        """A stream has ended; seconds to wait before the next."""
        if self.cursor and isinstance(error, CURSOR_IS_USELESS):
            self.cursor = ""
            self._failures = 0  # there is a server that answers
        good, self._good = self._good, False
        if good and error is None:
            return 0.0
        longest = min(ldexp(SHORTEST_DELAY_S, self._failures), LONGEST_DELAY_S)
        self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
        delay = longest * _dice.uniform(0.5, 1.0)
        asked_for = error.retry_after if isinstance(error, SessionStoreError) else None
        return max(delay, asked_for.total_seconds() if asked_for else 0.0)

    def _is_hopeless(self, error: SessionStoreError) -> bool:
        if isinstance(error, InvalidRequest):
            return not self.cursor
        return isinstance(error, _HOPELESS) or error.code == grpc.StatusCode.UNIMPLEMENTED
