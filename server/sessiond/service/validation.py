"""Saying whether a session is live."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sessiond.domain.errors import (
    AccessTokenExpiredError,
    AccessTokenInvalidError,
    RefreshTokenInvalidError,
)
from sessiond.domain.session import EndReason, Session, State, Verdict
from sessiond.store.replies import Found
from sessiond.store.scripts import Store
from sessiond.tokens.access import AccessTokens
from sessiond.tokens.refresh import RefreshTokens


class CredentialKind(Enum):
    """How a session is named."""

    ACCESS_TOKEN = 1
    SESSION_ID = 2
    REFRESH_TOKEN = 3


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """What a caller holds of a session, and the audience that an access token must be meant for."""

    kind: CredentialKind
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
_IN_ONE_TURN: Final = 32
"""A signature takes a quarter of a millisecond, in which the event loop does nothing else."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """Which session a good credential names, and what the session must agree to."""

    session_id: str
    user_id: str = ""
    generation: int = 0


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
        claim = self._read(credential)
        if isinstance(claim, Validation):
            return claim
        return self._judge(claim, await self._store.validate(claim.session_id, self._activity_ms))

    async def validate_many(self, credentials: Sequence[Credential]) -> list[Validation]:
        """The verdict on each, in order. Other calls get their turn between signatures."""
        claims: list[_Claim | Validation] = []
        for credential in credentials:
            claims.append(self._read(credential))
            if len(claims) % _IN_ONE_TURN == 0:
                await asyncio.sleep(0)
        asked = [claim.session_id for claim in claims if isinstance(claim, _Claim)]
        found = iter(await self._store.validate_many(asked, self._activity_ms))
        return [
            self._judge(claim, next(found)) if isinstance(claim, _Claim) else claim
            for claim in claims
        ]

    def _read(self, credential: Credential) -> _Claim | Validation:
        """What a credential claims, or the verdict if it is no good by itself."""
        if credential.kind is CredentialKind.SESSION_ID:
            return _Claim(credential.value)
        try:
            if credential.kind is CredentialKind.REFRESH_TOKEN:
                token = self._refresh.parse(credential.value)
                return _Claim(token.session_id, generation=token.generation)
            claims = self._access.verify(credential.value)
        except AccessTokenExpiredError:
            return _TOKEN_EXPIRED
        except (AccessTokenInvalidError, RefreshTokenInvalidError):
            return _INVALID
        if credential.audience and credential.audience not in claims.audience:
            return _INVALID
        return _Claim(claims.session_id, user_id=claims.user_id)

    def _judge(self, claim: _Claim, found: Found | None) -> Validation:
        if found is None:
            return _NOT_FOUND
        session = found.session
        if claim.user_id and session.user_id != claim.user_id:
            return _INVALID
        if session.state is not State.ACTIVE:
            return Validation(_VERDICTS[session.state], end_reason=session.end_reason)
        if claim.generation and not session.accepts(claim.generation, found.now_ms, self._grace_ms):
            return _INVALID
        return Validation(Verdict.ACTIVE, session)
