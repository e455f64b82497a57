"""One line for each admin act: who, what, how many, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from sessiond.domain.callers import Role
from sessiond.rpc.call import Call, Handler, Method, Reply
from sessiond.rpc.interceptors.described import Pseudonym, described

Keep = Callable[[Mapping[str, Any]], None]
"""Takes an act."""


class AuditTrail:
    """Logs the calls that need role admin, and others whose servicer noted an act.

    A call by nobody known is no act of anybody: the request log has it.
    """

    def __init__(self, pseudonym: Pseudonym, keep: Keep | None = None) -> None:
        """Set where acts go.

        Args:
            pseudonym: names sessions.
            keep: takes every act, beside the log.
        """
        self._pseudonym = pseudonym
        self._keep = keep
        self._log = structlog.get_logger("sessiond.audit")

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """Log each act once it is over, also if it failed or was cancelled."""
        always = method.role is Role.ADMIN

        async def audited(call: Call) -> Reply:
            try:
                return await handler(call)
            finally:
                if call.caller.name and (always or call.act):
                    self._write(call)

        return audited

    def _write(self, call: Call) -> None:
        fields = described(call, self._pseudonym) | call.act
        self._log.info("admin_act", **fields)
        if self._keep:
            self._keep(fields)
