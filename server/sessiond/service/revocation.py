"""Ending sessions."""

from __future__ import annotations

from dataclasses import dataclass

from sessiond.domain.callers import Caller, Role
from sessiond.domain.errors import RoleRequiredError
from sessiond.domain.session import EndReason, Session
from sessiond.service import idempotency
from sessiond.service.reassertion import Reassertion
from sessiond.store.scripts import Store


@dataclass(frozen=True, slots=True)
class UserRevocation:
    """Which sessions of a user end, and why. Without a reason, it follows from the exception."""

    user_id: str
    except_session_id: str = ""
    reason: EndReason = EndReason.NONE


class Revoker:
    """The use cases by which callers end sessions."""

    def __init__(self, store: Store, reassertion: Reassertion, *, request_ttl_ms: int) -> None:
        self._store = store
        self._reassertion = reassertion
        self._request_ttl_ms = request_ttl_ms

    async def revoke(self, caller: Caller, session_id: str, reason: EndReason) -> Session | None:
        """End a session; None if it is unknown. Ending twice is no error and changes nothing.

        Raises:
            RoleRequiredError: REVOKED_BY_ADMIN by a caller that is no admin.
        """
        reason = reason or EndReason.REVOKED
        _allow(caller, reason)
        revoked = await self._store.revoke(session_id, reason, caller.name)
        if not revoked:
            return None
        if ended := revoked.session.end_reason:
            self._reassertion.remember((session_id,), ended, caller.name)
        return revoked.session

    async def revoke_user(
        self, caller: Caller, what: UserRevocation, request_id: str
    ) -> tuple[str, ...]:
        """End all live sessions of a user, or all but one; the ids that this request ended.

        Raises:
            RoleRequiredError: REVOKED_BY_ADMIN by a caller that is no admin.
            SessionUserMismatchError: the session that should stay is another user's.
            RequestIdReusedError: the request id stands for another request.
        """
        stays = what.except_session_id
        reason = what.reason or (EndReason.REVOKED_OTHERS if stays else EndReason.REVOKED)
        _allow(caller, reason)
        request = idempotency.request(
            caller.name,
            request_id,
            method="revoke_user",
            user_id=what.user_id,
            command=what,
            ttl_ms=self._request_ttl_ms,
        )
        ended = await self._store.revoke_user(what.user_id, reason, caller.name, request, stays)
        self._reassertion.remember(ended, reason, caller.name)
        return ended


def _allow(caller: Caller, reason: EndReason) -> None:
    if reason is EndReason.REVOKED_BY_ADMIN and caller.role < Role.ADMIN:
        raise RoleRequiredError(
            "reason REVOKED_BY_ADMIN needs role admin", role="admin", caller=caller.name
        )
