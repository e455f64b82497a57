"""One line for each call: who, what, how it went. Never a token, never a session id in clear."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from sessiond.rpc.call import Call, Handler, Method, Reply
from sessiond.rpc.interceptors.errors import RefusedError

# A stolen token, or acknowledged writes that a failover lost.
_ALARMING: Final = {"REFRESH_TOKEN_REUSED", "REFRESH_TOKEN_AHEAD", "RECOVERED"}


class RequestLog:
    """Logs calls. Session ids are logged as a keyed hash: enough to follow one, not to use it."""

    def __init__(self, pseudonym: Callable[[str], str]) -> None:
        self._pseudonym = pseudonym
        self._log = structlog.get_logger("sessiond.rpc").bind()  # once, not at every call

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Log each call once it is over."""
        name = method.name.rpartition("/")[2]

        async def logged(call: Call) -> Reply:
            started = time.perf_counter()
            try:
                return await handler(call)
            except RefusedError as error:
                await error.send(call)
                raise
            finally:
                fields = {
                    "method": name,
                    "caller": call.caller.name,
                    "code": call.code,
                    "ms": round((time.perf_counter() - started) * 1000, 2),
                    "request_id": call.request_id,
                }
                if call.reason:
                    fields["reason"] = call.reason
                if call.outcome:
                    fields["outcome"] = call.outcome
                if call.session_id:
                    fields["session"] = self._pseudonym(call.session_id)
                alarming = call.reason in _ALARMING or call.outcome in _ALARMING
                (self._log.warning if alarming else self._log.info)("call", **fields)

        return logged
