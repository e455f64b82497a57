"""Saying whether a session is live."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sessiond.domain.errors import (
    AccessTokenExpiredError,
    AccessTokenInvalidError,
    RefreshTokenInvalidError,
)
from sessiond.domain.session import EndReason, Session, State, Verdict
from sessiond.store.scripts import Store
from sessiond.tokens.access import AccessTokens
from sessiond.tokens.refresh import RefreshTokens


class Kind(Enum):
    """How a session is named."""

    ACCESS_TOKEN = 1
    SESSION_ID = 2
    REFRESH_TOKEN = 3


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """What a caller holds of a session, and the audience that an access token must be meant for."""

    kind: Kind
    value: str
    audience: str = ""


@dataclass(frozen=True, slots=True)
class Validation:
    """The verdict; the session only if it is live."""

    verdict: Verdict
    session: Session | None = None
    end_reason: EndReason = EndReason.NONE


_VERDICTS = {State.ENDED: Verdict.ENDED, State.EXPIRED: Verdict.EXPIRED}
_INVALID = Validation(Verdict.TOKEN_INVALID)
_TOKEN_EXPIRED = Validation(Verdict.TOKEN_EXPIRED)
_NOT_FOUND = Validation(Verdict.NOT_FOUND)


class Validator:
    """The use case that is called most."""

    def __init__(
        self,
        store: Store,
        access: AccessTokens,
        refresh: RefreshTokens,
        *,
        activity_ms: int,
        grace_ms: int,
    ) -> None:
        self._store = store
        self._access = access
        self._refresh = refresh
        self._activity_ms = activity_ms
        self._grace_ms = grace_ms

    async def validate(self, credential: Credential) -> Validation:
        """The verdict on one credential. Forged tokens never reach the store."""
        if credential.kind is Kind.ACCESS_TOKEN:
            return await self._validate_access_token(credential)
        if credential.kind is Kind.SESSION_ID:
            return await self._look_up(credential.value)
        try:
            token = self._refresh.parse(credential.value)
        except RefreshTokenInvalidError:
            return _INVALID
        return await self._look_up(token.session_id, generation=token.generation)

    async def _validate_access_token(self, credential: Credential) -> Validation:
        try:
            claims = self._access.verify(credential.value)
        except AccessTokenExpiredError:
            return _TOKEN_EXPIRED
        except AccessTokenInvalidError:
            return _INVALID
        if credential.audience and credential.audience not in claims.audience:
            return _INVALID
        return await self._look_up(claims.session_id, user_id=claims.user_id)

    async def _look_up(
        self, session_id: str, *, user_id: str = "", generation: int = 0
    ) -> Validation:
        found = await self._store.validate(session_id, self._activity_ms)
        if found is None:
            return _NOT_FOUND
        session = found.session
        if user_id and session.user_id != user_id:
            return _INVALID
        if session.state is not State.ACTIVE:
            return Validation(_VERDICTS[session.state], end_reason=session.end_reason)
        if generation and not session.accepts(generation, found.now_ms, self._grace_ms):
            return _INVALID
        return Validation(Verdict.ACTIVE, session)
