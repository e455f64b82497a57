"""Tokens for a session."""

from __future__ import annotations

from dataclasses import dataclass

from sessiond.domain.errors import RefreshTokenInvalidError, StoreUnavailableError
from sessiond.domain.session import Session
from sessiond.tokens.access import AccessTokens
from sessiond.tokens.refresh import RefreshTokens


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """The credentials of a session. Times are milliseconds since the Unix epoch."""

    access_token: str
    access_token_expire_ms: int
    refresh_token: str
    refresh_token_expire_ms: int


class Issuer:
    """Mints access and refresh tokens."""

    def __init__(self, access: AccessTokens, refresh: RefreshTokens) -> None:
        self._access = access
        self._refresh = refresh

    def tokens(self, session: Session, *, client_id: str, now_ms: int) -> Tokens:
        """Tokens for the session's current generation, as of the engine's clock.

        The refresh token is the very same string each time: it is made from what the session holds.
        """
        try:
            refresh_token = self._refresh.mint(session.id, session.generation, session.mac_key_id)
        except RefreshTokenInvalidError:
            # Another server minted it with a key that this one has not read yet.
            raise StoreUnavailableError("the key ring is not up to date") from None
        access_token, expire_ms = self._access.mint(session, client_id=client_id, now_ms=now_ms)
        return Tokens(
            access_token=access_token,
            access_token_expire_ms=expire_ms,
            refresh_token=refresh_token,
            refresh_token_expire_ms=session.expire_ms,
        )
