"""Which session a credential names, and whether the session vouches for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sessiond.domain.errors import (
    AccessTokenExpiredError,
    AccessTokenInvalidError,
    RefreshTokenInvalidError,
)
from sessiond.domain.session import EndReason, Session, State, Verdict
from sessiond.store.replies import Found
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


@dataclass(frozen=True, slots=True)
class Claim:
    """Which session a good credential names, and what the session must agree to."""

    session_id: str
    user_id: str = ""
    generation: int = 0


class Judge:
    """Reads credentials, and holds what they claim against the session."""

    def __init__(self, access: AccessTokens, refresh: RefreshTokens, *, grace_ms: int) -> None:
        self._access = access
        self._refresh = refresh
        self._grace_ms = grace_ms

    def read(self, credential: Credential, *, at_any_age: bool = False) -> Claim | Validation:
        """What a credential claims, or the verdict if it is no good by itself.

        Args:
            credential: as the caller gave it; its signature or MAC is always verified.
            at_any_age: to learn what an expired access token was about.
        """
        if credential.kind is CredentialKind.SESSION_ID:
            return Claim(credential.value)
        try:
            if credential.kind is CredentialKind.REFRESH_TOKEN:
                token = self._refresh.parse(credential.value)
                return Claim(token.session_id, generation=token.generation)
            claims = self._access.verify(credential.value, at_any_age=at_any_age)
        except AccessTokenExpiredError:
            return _TOKEN_EXPIRED
        except (AccessTokenInvalidError, RefreshTokenInvalidError):
            return _INVALID
        if credential.audience and credential.audience not in claims.audience:
            return _INVALID
        return Claim(claims.session_id, user_id=claims.user_id)

    def weigh(self, claim: Claim, found: Found | None) -> Validation:
        """The verdict on a claim by the session that it names; None if that is not there."""
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
