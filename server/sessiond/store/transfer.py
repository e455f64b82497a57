"""Typed calls of the scripts that move sessions between this and other systems."""

from __future__ import annotations

from sessiond.domain.errors import SessionAlreadyAdoptedError
from sessiond.store import refusals
from sessiond.store.replies import Found, Request
from sessiond.store.script_set import ScriptSet


class TransferStore:
    """Sessions that come in and go out. Every method may raise StoreUnavailableError."""

    def __init__(self, scripts: ScriptSet) -> None:
        self._scripts = scripts
        self._keys = scripts.keys

    async def adopt(
        self, session_id: str, user_id: str, *, mac_key_id: int, request: Request
    ) -> Found:
        """Hand an imported session over, or once more to the request that it was handed to.

        Raises:
            SessionAlreadyAdoptedError, RequestIdReusedError, ReplaySupersededError,
            SessionNotFoundError (another user's too), SessionEndedError, SessionExpiredError,
            StoreFullError: nothing was changed.
        """
        status, *rest = await self._scripts.run(
            "adopt",
            self._keys.of_session(session_id),
            (session_id, user_id, mac_key_id, request.key, request.digest, request.ttl_ms),
            idempotent=bool(request.key),
        )
        match status:
            case b"REQUEST_ID_REUSED":
                raise refusals.request_id_reused()
            case b"REPLAY_SUPERSEDED":
                raise refusals.replay_superseded(session_id)
            case b"ALREADY_ADOPTED":
                raise SessionAlreadyAdoptedError(
                    "the session was given its tokens before", session_id=session_id
                )
        session, now = refusals.usable(status, session_id, rest, "ADOPTED REPLAYED")
        return Found(now, session)
