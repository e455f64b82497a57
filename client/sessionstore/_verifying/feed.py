"""What a stream of ended sessions leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sessionstore._course import Course
from sessionstore._enums import EndReason, EventType
from sessionstore._verifying.expiring import Expiring
from sessionstore._verifying.freshness import Freshness
from sessionstore.watch_types import Checkpoint, Events, Opened, Snapshot, WatchUpdate

TYPES: Final = (EventType.ENDED,)
"""What the feed watches."""

_SLOW_HANDSHAKE_S: Final = 0.25
_MOST_HANDSHAKES: Final = 3
_LATE_STREAM_S: Final = 30.0
_CLOCK_STEP_S: Final = 60.0
"""Ended sessions are kept for this long beyond their time: the engine's clock may be put back."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that ended before its access tokens expire."""

    leave_s: float
    reason: EndReason | None
    """None if only a snapshot told of it."""


class Feed:
    """Follows streams; knows what has ended, and how far it is behind.

    A snapshot only adds. What has ended stays ended until its tokens are dead, though a store that
    lost its last moments may say otherwise: the revocation was acknowledged.
    """

    def __init__(self, freshness: Freshness, max_age_s: float, clock: Callable[[], float]) -> None:
        self.freshness: Final = freshness
        self.ended: Final[Expiring[str, Ended]] = Expiring()
        self.connected = False
        self._max_age_s = max_age_s
        self._clock = clock
        self._course = Course()
        self._sent_s = clock()
        self._handshakes = 0
        self._gapless = False

    def opening(self) -> str:
        """A stream is about to be opened, at this cursor."""
        self._sent_s = self._clock()
        self._gapless = bool(self._course.cursor)
        return self._course.cursor

    def received(self, update: WatchUpdate) -> bool:
        """Take in an update; False if another stream should be opened instead of this one."""
        now_s = self._clock()
        good = True
        match update:
            case Opened():
                good = self._opened(update, now_s)
            case Snapshot():
                for each in update.sessions:
                    self._add(each.session_id, each.dead_time, None)
                self._gapless = self._gapless or update.complete
            case Events():
                for event in update.events:
                    if event.dead_time:
                        self._add(event.session_id, event.dead_time, event.end_reason)
            case Checkpoint():
                good = self._checked(update, now_s)
        if self._gapless:
            self._course.passed(update)
        return good

    def over(self, error: Exception | None) -> float:
        """The stream has ended; seconds to wait before the next."""
        self.connected = False
        return self._course.over(error)

    def _opened(self, opened: Opened, now_s: float) -> bool:
        """A slow handshake tells little of the engine's clock; TLS may have been part of it."""
        self.freshness.opened(self._sent_s, opened.store_time.timestamp())
        self.connected = True
        self._handshakes += 1
        if now_s - self._sent_s > _SLOW_HANDSHAKE_S and self._handshakes < _MOST_HANDSHAKES:
            return False
        self._handshakes = 0
        return True

    def _checked(self, checkpoint: Checkpoint, now_s: float) -> bool:
        """Late again and again: either the way is slow, or the engine's clock was put back."""
        if not self._gapless:
            return True
        self.freshness.checkpoint(checkpoint.time.timestamp(), now_s)
        self.ended.prune(self.freshness.store_s(now_s) - _CLOCK_STEP_S)
        late = self.freshness.age_s(now_s) > self._max_age_s
        return not (late and now_s - self._sent_s > _LATE_STREAM_S)

    def _add(self, session_id: str, dead_time: datetime, reason: EndReason | None) -> None:
        dead_s = dead_time.timestamp()
        if before := self.ended.get(session_id):
            dead_s, reason = max(dead_s, before.leave_s), reason or before.reason
        self.ended.put(session_id, Ended(dead_s, reason))
