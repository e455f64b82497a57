"""Access tokens: JWTs by RFC 9068, for services that verify locally.

They name the session (`sid`) and never outlive it. What a service hears of a session that ended
early it hears from the event feed, not from the token.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from sessiond.domain.errors import AccessTokenExpiredError, AccessTokenInvalidError
from sessiond.domain.ids import partition_of_session, partition_of_user
from sessiond.domain.session import Authentication, Session
from sessiond.tokens.claims import Claims, text, texts, whole
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.strict_jwt import JwtExpiredError, JwtInvalidError, StrictJwt

TYP: Final = "at+jwt"
_JTI_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a good access token says. Times are milliseconds since the Unix epoch."""

    session_id: str
    user_id: str
    audience: tuple[str, ...]
    client_id: str
    expire_ms: int
    issue_ms: int
    jti: str
    authentication: Authentication


class AccessTokens:
    """Mints and verifies access tokens with the signing keys of a ring."""

    def __init__(
        self,
        ring: KeyRing,
        issuer: str,
        default_audience: str,
        lifetime_ms: int,
        *,
        leeway_s: float = 30,
        remember: int = 10_000,
    ) -> None:
        """Set what all tokens share.

        Args:
            ring: holds the keys.
            issuer: the `iss` of every token.
            default_audience: the `aud` for sessions that name none.
            lifetime_ms: milliseconds from mint to `exp`, if the session lives that long.
            leeway_s: seconds of clock difference that verification allows.
            remember: how many verified tokens to remember, until each expires.

        Raises:
            ValueError: tokens would outlive the ring's keys.
        """
        if lifetime_ms > ring.lifetimes.access_s * 1000:
            raise ValueError("the access lifetime is longer than the ring keeps its keys for")
        self._default_audience = default_audience
        self._lifetime_ms = lifetime_ms
        self._jwt = StrictJwt(
            ring,
            Kind.SIGNING,
            typ=TYP,
            issuer=issuer,
            leeway_s=leeway_s,
            remember=remember,
            read=_read,
        )

    def mint(self, session: Session, *, client_id: str, now_ms: int) -> tuple[str, int]:
        """A token for a session (RFC 9068 2).

        Args:
            session: whom it speaks of.
            client_id: the caller that asked for it.
            now_ms: the engine's clock, milliseconds since the Unix epoch.

        Returns:
            The token and its expiry: milliseconds, a whole second, never past the session's.
        """
        expire_s = min(now_ms + self._lifetime_ms, session.expire_ms) // 1000
        audience = session.audience or (self._default_audience,)
        claims: dict[str, Any] = {
            "sub": session.user_id,
            "aud": audience[0] if len(audience) == 1 else list(audience),
            "client_id": client_id,
            "exp": expire_s,
            "iat": now_ms // 1000,
            "jti": secrets.token_urlsafe(_JTI_BYTES),
            "sid": session.id,
        }
        claims |= _authentication_claims(session.authentication)
        return self._jwt.sign(claims), expire_s * 1000

    def verify(self, token: str, *, at_any_age: bool = False) -> AccessClaims:
        """What a token says, if this service signed it as an access token and it is in its time.

        Whether the session is still live is for the store to say, and whether the audience fits is
        for the service that received the token (OWASP ASVS 9.2.3).

        Args:
            token: as it was presented.
            at_any_age: to learn what an expired token was about; nobody is let in by it.

        Raises:
            AccessTokenExpiredError: only its time has passed, by more than the leeway.
            AccessTokenInvalidError: anything else; the message does not say what.
        """
        try:
            return self._jwt.verify(token, at_any_age=at_any_age)
        except JwtExpiredError:
            raise AccessTokenExpiredError("the access token has expired") from None
        except JwtInvalidError:
            raise AccessTokenInvalidError("not a valid access token") from None


def _authentication_claims(authentication: Authentication) -> dict[str, Any]:
    """The claims of RFC 9068 2.2.1, those that are known."""
    claims: dict[str, Any] = {}
    if authentication.time_ms:
        claims["auth_time"] = authentication.time_ms // 1000
    if authentication.acr:
        claims["acr"] = authentication.acr
    if authentication.methods:
        claims["amr"] = list(authentication.methods)
    return claims


def _read(claims: Claims) -> AccessClaims:
    session_id, user_id = text(claims, "sid"), text(claims, "sub")
    if partition_of_session(session_id) != partition_of_user(user_id):
        raise ValueError("the session is another user's")
    one_audience = isinstance(claims.get("aud"), str)
    return AccessClaims(
        session_id=session_id,
        user_id=user_id,
        audience=(text(claims, "aud"),) if one_audience else texts(claims, "aud"),
        client_id=text(claims, "client_id"),
        expire_ms=whole(claims, "exp") * 1000,
        issue_ms=whole(claims, "iat") * 1000,
        jti=text(claims, "jti"),
        authentication=Authentication(
            methods=texts(claims, "amr") if "amr" in claims else (),
            acr=text(claims, "acr") if "acr" in claims else "",
            time_ms=whole(claims, "auth_time") * 1000 if "auth_time" in claims else 0,
        ),
    )
