"""One line for each call: who, what, how it went."""

from __future__ import annotations

import time
from typing import Final

import structlog

from sessiond.rpc.call import Call, Handler, Method, Reply
from sessiond.rpc.interceptors.described import Pseudonym, described
from sessiond.rpc.interceptors.errors import RefusedError

# A stolen token, or acknowledged writes that a failover lost.
_ALARMING: Final = {"REFRESH_TOKEN_REUSED", "REFRESH_TOKEN_AHEAD", "RECOVERED"}


class RequestLog:
    """Logs calls."""

    def __init__(self, pseudonym: Pseudonym) -> None:
        self._pseudonym = pseudonym
        self._log = structlog.get_logger("sessiond.rpc").bind()  # once, not at every call

    def wrap(self, _: Method, handler: Handler) -> Handler:
        """Log each call once it is over."""

        async def logged(call: Call) -> Reply:
            started = time.perf_counter()
            try:
                return await handler(call)
            except RefusedError as error:
                await error.send(call)
                raise
            finally:
                fields = described(call, self._pseudonym)
                fields["ms"] = round((time.perf_counter() - started) * 1000, 2)
                if call.outcome:
                    fields["outcome"] = call.outcome
                alarming = call.reason in _ALARMING or call.outcome in _ALARMING
                (self._log.warning if alarming else self._log.info)("call", **fields)

        return logged
