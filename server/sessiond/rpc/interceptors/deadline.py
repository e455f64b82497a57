"""Ends a call at its deadline, or at the server's own bound if that is earlier.

A long call takes as long as its work: only its caller bounds it.
"""

from __future__ import annotations

import asyncio

from sessiond.domain.errors import DeadlineExceededError
from sessiond.rpc.call import Call, Handler, Method, Reply


class Deadline:
    """Gives every call but long ones a bound in seconds."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Cancel the handler when the call's time runs out."""
        longest_s = None if method.long else self._longest_s

        async def timed(call: Call) -> Reply:
            both = (longest_s, call.context.time_remaining())
            limit = min((bound for bound in both if bound is not None), default=None)
            try:
                async with asyncio.timeout(limit):
                    return await handler(call)
            except TimeoutError:
                raise DeadlineExceededError("the call's time ran out") from None

        return timed
