"""Bounds what each caller takes of a server, so that one cannot keep the others out."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from sessiond.domain.callers import Caller
from sessiond.domain.errors import CallerLimitReachedError
from sessiond.rpc.call import Call, Handler, Method, Reply

_ROOM_AFTER_S: Final = 0.1
"""About when one of many calls in flight is over."""
_PLACE_AFTER_S: Final = 5.0
"""Watchers stay for long."""
_BURST_S: Final = 1.0


@dataclass(slots=True)
class _Load:
    """What one caller takes now."""

    in_flight: int = 0
    watchers: int = 0
    spent_until_s: float = -inf
    """Until when the calls that it has begun are its share."""


class CallerLimit:
    """Counts the calls of each caller of one server; it comes after authentication."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Set the clock: steady, in seconds."""
        self._clock = clock
        # By name: as many as the callers file has ever listed.
        self._loads: defaultdict[str, _Load] = defaultdict(_Load)

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Refuse calls over their caller's bounds, at once and before any work."""
        return self._watching(handler) if method.standing else self._calling(handler)

    def _watching(self, handler: Handler) -> Handler:
        async def watching(call: Call) -> Reply:
            load, most = self._loads[call.caller.name], call.caller.limits.watchers
            if most is not None and load.watchers >= most:
                raise _reached(call.caller, "max_watchers", most, _PLACE_AFTER_S)
            load.watchers += 1
            try:
                return await handler(call)
            finally:
                load.watchers -= 1

        return watching

    def _calling(self, handler: Handler) -> Handler:
        async def calling(call: Call) -> Reply:
            load, most = self._loads[call.caller.name], call.caller.limits.in_flight
            if most is not None and load.in_flight >= most:
                raise _reached(call.caller, "max_in_flight", most, _ROOM_AFTER_S)
            self._spend(load, call.caller)
            load.in_flight += 1
            try:
                return await handler(call)
            finally:
                load.in_flight -= 1

        return calling

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
