"""Callers' service tokens: how a backend service proves who it is to us.

Their keys, `typ` and `aud` are their own: no user's token can pass for one, nor the other way.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final

from sessiond.domain.errors import CredentialsExpiredError, CredentialsInvalidError
from sessiond.tokens.claims import Claims, text, whole
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.strict_jwt import JwtExpiredError, JwtInvalidError, StrictJwt

TYP: Final = "service+jwt"
ISSUER: Final = "sessiond"
AUDIENCE: Final = "sessiond"
CALLER_NAME: Final = re.compile(r"[a-z0-9._-]{1,64}")
_JTI_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class ServiceClaims:
    """What a good service token says. Times are seconds since the Unix epoch."""

    name: str
    issue_s: int
    expire_s: int


class ServiceTokens:
    """Mints and verifies service tokens with the service keys of a ring."""

    def __init__(self, ring: KeyRing, *, leeway_s: float = 30, remember: int = 10_000) -> None:
        """Set what all tokens share.

        Args:
            ring: holds the keys and knows the longest lifetime.
            leeway_s: seconds of clock difference that verification allows.
            remember: how many verified tokens to remember, until each expires.
        """
        self._longest_s = ring.lifetimes.service_s
        self._jwt = StrictJwt(
            ring,
            Kind.SERVICE,
            typ=TYP,
            issuer=ISSUER,
            leeway_s=leeway_s,
            remember=remember,
            read=_read,
        )

    def mint(self, name: str, lifetime_s: int, now: float) -> str:
        """A token for a caller.

        Args:
            name: 1 to 64 of a-z, 0-9, dot, underscore and hyphen.
            lifetime_s: seconds from `now` to its expiry; at most what the ring's keys are kept for.
            now: seconds since the Unix epoch.

        Raises:
            ValueError: not a caller's name, or not a lifetime.
        """
        if not CALLER_NAME.fullmatch(name):
            raise ValueError("a caller's name is 1 to 64 of a-z, 0-9, '.', '_' and '-'")
        if not 0 < lifetime_s <= self._longest_s:
            raise ValueError(f"a service token lives 1 to {self._longest_s:.0f} seconds")
        issue_s = int(now)
        return self._jwt.sign(
            {
                "sub": name,
                "aud": AUDIENCE,
                "iat": issue_s,
                "exp": issue_s + lifetime_s,
                "jti": secrets.token_urlsafe(_JTI_BYTES),
            }
        )

    def verify(self, token: str) -> ServiceClaims:
        """Who a token names, if this service signed it as a service token and it is in its time.

        Raises:
            CredentialsExpiredError: only its time has passed, by more than the leeway.
            CredentialsInvalidError: anything else; the message does not say what.
        """
        try:
            return self._jwt.verify(token)
        except JwtExpiredError:
            raise CredentialsExpiredError("the service token has expired") from None
        except JwtInvalidError:
            raise CredentialsInvalidError("not a valid service token") from None


def _read(claims: Claims) -> ServiceClaims:
    name = text(claims, "sub")
    if claims.get("aud") != AUDIENCE or not CALLER_NAME.fullmatch(name):
        raise ValueError("not for us, or not a caller")
    text(claims, "jti")
    return ServiceClaims(name, whole(claims, "iat"), whole(claims, "exp"))
