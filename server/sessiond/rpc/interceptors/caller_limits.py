"""Bounds what each caller takes of a server, so that one cannot keep the others out.

A refusal takes the server about as much work as an answer, and who floods it tries again at once.
So refusals are held back for a while: as many calls of a flood then wait, and take nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from sessiond.domain import jitter
from sessiond.domain.callers import Caller
from sessiond.domain.errors import CallerLimitReachedError
from sessiond.rpc.call import Call, Handler, Method, Reply

_ROOM_AFTER_S: Final = 0.1
"""About when one of many calls in flight is over."""
_PLACE_AFTER_S: Final = 5.0
"""Watchers stay for long."""
_BURST_S: Final = 1.0
_HELD_S: Final = 1.0
_HELD_JITTER: Final = 0.5
"""Calls that came together are not to come again together."""
_MOST_HELD: Final = 1_000
"""Refusals of one caller; more are sent at once, and so are those of large requests: all wait in
memory."""
_SMALL: Final = 16_384
"""Bytes."""


@dataclass(slots=True)
class _Load:
    """What one caller takes now."""

    in_flight: int = 0
    watchers: int = 0
    held: int = 0
    spent_until_s: float = -inf
    """Until when the calls that it has begun are its share."""


class CallerLimit:
    """Counts the calls of each caller of one server; it comes after authentication."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, held_s: float = _HELD_S
    ) -> None:
        """Set how time passes.

        Args:
            clock: steady, in seconds.
            held_s: for how long refusals are held back, give or take a half; at most half of what
                is left until the call's deadline.
        """
        self._clock = clock
        self._held_s = held_s
        # By name: as many as the callers file has ever listed.
        self._loads: defaultdict[str, _Load] = defaultdict(_Load)

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Refuse calls over their caller's bounds, before any work."""
        enter, leave = (
            (self._begin_watching, _end_watching) if method.standing else (self._begin, _end)
        )

        async def limited(call: Call) -> Reply:
            load = self._loads[call.caller.name]
            try:
                enter(load, call.caller)
            except CallerLimitReachedError:
                await self._hold(load, call)
                raise
            try:
                return await handler(call)
            finally:
                leave(load)

        return limited

    def _begin(self, load: _Load, caller: Caller) -> None:
        most = caller.limits.in_flight
        if most is not None and load.in_flight >= most:
            raise _reached(caller, "max_in_flight", most, _ROOM_AFTER_S)
        self._spend(load, caller)
        load.in_flight += 1

    def _begin_watching(self, load: _Load, caller: Caller) -> None:
        most = caller.limits.watchers
        if most is not None and load.watchers >= most:
            raise _reached(caller, "max_watchers", most, _PLACE_AFTER_S)
        self._spend(load, caller)
        load.watchers += 1

    def _spend(self, load: _Load, caller: Caller) -> None:
        """The generic cell rate algorithm (ITU-T I.371, annex A): a bucket without a timer."""
        per_s = caller.limits.calls_per_s
        if per_s is None:
            return
        now_s, each_s = self._clock(), 1 / per_s
        ahead_s = load.spent_until_s - now_s - (_BURST_S - each_s)
        if ahead_s > 0:
            raise _reached(caller, "calls_per_second", per_s, ahead_s)
        load.spent_until_s = max(load.spent_until_s, now_s) + each_s

    async def _hold(self, load: _Load, call: Call) -> None:
        large = isinstance(call.request, bytes) and len(call.request) > _SMALL
        if large or load.held >= _MOST_HELD:
            return
        left_s = call.context.time_remaining()
        held_s = self._held_s * jitter.between(1 - _HELD_JITTER, 1 + _HELD_JITTER)
        load.held += 1
        begun_s = time.perf_counter()
        try:
            await asyncio.sleep(held_s if left_s is None else min(held_s, left_s / 2))
        finally:
            call.held_s = time.perf_counter() - begun_s
            load.held -= 1


def _end(load: _Load) -> None:
    load.in_flight -= 1


def _end_watching(load: _Load) -> None:
    load.watchers -= 1


def _reached(
    caller: Caller, limit: str, most: int, retry_after_s: float
) -> CallerLimitReachedError:
    return CallerLimitReachedError(
        "this caller takes as much of the server as it may",
        retry_after_s,
        limit=limit,
        most=str(most),
        caller=caller.name,
    )
