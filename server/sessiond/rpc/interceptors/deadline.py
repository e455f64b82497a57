"""Ends a call at its deadline, or at the server's own bound if that is earlier."""

from __future__ import annotations

import asyncio

from google.protobuf.message import Message

from sessiond.domain.errors import DeadlineExceededError
from sessiond.rpc.call import Call, Handler, Method


class Deadline:
    """Gives every call a bound in seconds."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s

    def wrap(self, _: Method, handler: Handler) -> Handler:
        """Cancel the handler when the call's time runs out."""

        async def timed(call: Call) -> Message:
            remaining = call.context.time_remaining()
            limit = self._longest_s if remaining is None else min(remaining, self._longest_s)
            try:
                async with asyncio.timeout(limit):
                    return await handler(call)
            except TimeoutError:
                raise DeadlineExceededError("the call's time ran out") from None

        return timed
