"""Turns whatever a handler raises into a status. No text of an unexpected error leaves us."""

from __future__ import annotations

import grpc
import structlog

from sessiond.domain.errors import InternalError, SessionStoreError
from sessiond.rpc.call import Call, Handler, Method, Reply, patiently
from sessiond.rpc.errors import DETAILS_KEY, REQUEST_ID_KEY, Refusal, to_refusal
from sessiond.rpc.interceptors.described import identity
from sessiond.service import faults


class RefusedError(Exception):
    """A call that ends with a status other than OK."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal

    async def send(self, call: Call) -> None:
        """Abort the call with the status; raises grpc's AbortError.

        It arrives behind what was sent before, so that a client that does not read must be left.
        """
        await patiently(
            call.context.abort(
                self.refusal.code,
                self.refusal.message,
                ((DETAILS_KEY, self.refusal.details), (REQUEST_ID_KEY, call.request_id)),
            )
        )


class ErrorBoundary:
    """Maps errors, and notes in the call how it ended."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("sessiond.rpc")

    def wrap(self, _: Method, handler: Handler) -> Handler:
        """Raise RefusedError for every error."""

        async def bounded(call: Call) -> Reply:
            try:
                reply = await handler(call)
            except SessionStoreError as error:
                call.session_id = call.session_id or error.metadata.get("session_id", "")
                refusal = to_refusal(error, by_refresh_token=call.by_refresh_token)
            except Exception as error:  # noqa: BLE001  the last line: nothing passes it unmapped
                self._log_fault(call, error)
                refusal = to_refusal(InternalError("internal error"))
            else:
                call.code = grpc.StatusCode.OK.name
                return reply
            call.code, call.reason = refusal.code.name, refusal.reason.value
            raise RefusedError(refusal) from None

        return bounded

    def _log_fault(self, call: Call, error: Exception) -> None:
        # The places and the type, not the message: that may hold what the request held.
        self._log.error(
            "fault",
            method=call.method.name,
            **identity(call),
            error=type(error).__name__,
            frames=faults.frames(error),
        )
