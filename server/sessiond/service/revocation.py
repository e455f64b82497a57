"""Ending sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sessiond.domain.callers import Caller, Role
from sessiond.domain.errors import RoleRequiredError
from sessiond.domain.session import EndReason, Session
from sessiond.service import idempotency
from sessiond.service.reassertion import Reassertion
from sessiond.store.replica_wait import ReplicaWait
from sessiond.store.scripts import Store


@dataclass(frozen=True, slots=True)
class UserRevocation:
    """Which sessions of a user end, and why. Without a reason, it follows from the exception."""

    user_id: str
    except_session_id: str = ""
    reason: EndReason = EndReason.NONE


@dataclass(frozen=True, slots=True)
class EndedSession:
    """What became of a session, and how many replicas have heard of it, if they were asked."""

    session: Session | None
    """None if it is unknown."""
    replicas_confirmed: int | None = None


@dataclass(frozen=True, slots=True)
class EndedSessions:
    """The sessions that a request ended, and how many replicas have heard of it, if asked."""

    session_ids: tuple[str, ...]
    replicas_confirmed: int | None = None


class Revoker:
    """The use cases by which callers end sessions."""

    def __init__(
        self,
        store: Store,
        reassertion: Reassertion,
        replicas: ReplicaWait | None,
        *,
        request_ttl_ms: int,
    ) -> None:
        """Set what ends sessions; with `replicas`, they are waited for."""
        self._store = store
        self._reassertion = reassertion
        self._replicas = replicas
        self._request_ttl_ms = request_ttl_ms

    async def revoke(self, caller: Caller, session_id: str, reason: EndReason) -> EndedSession:
        """End a session. Ending an unknown one, or twice, is no error and changes nothing.

        Raises:
            RoleRequiredError: REVOKED_BY_ADMIN by a caller that is no admin.
        """
        reason = reason or EndReason.REVOKED
        _allow(caller, reason)
        revoked = await self._store.revoke(session_id, reason, caller.name)
        # One that is unknown may live on: to a primary that was replaced, and not yet left, a
        # login at its successor is unknown.
        if ended := revoked.session.end_reason if revoked else reason:
            self._reassertion.remember((session_id,), ended, caller.name)
        if not revoked:
            return EndedSession(None)
        return EndedSession(revoked.session, await self._confirmed((session_id,)))

    async def revoke_user(
        self, caller: Caller, what: UserRevocation, request_id: str
    ) -> EndedSessions:
        """End all live sessions of a user, or all but one.

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
        return EndedSessions(ended, await self._confirmed(ended))

    async def _confirmed(self, session_ids: Sequence[str]) -> int | None:
        """How many replicas have these endings; None if they are not asked, or there are none."""
        if self._replicas is None or not session_ids:
            return None
        return await self._replicas.confirm(session_ids)


def _allow(caller: Caller, reason: EndReason) -> None:
    if reason is EndReason.REVOKED_BY_ADMIN and caller.role < Role.ADMIN:
        raise RoleRequiredError(
            "reason REVOKED_BY_ADMIN needs role admin", role="admin", caller=caller.name
        )
