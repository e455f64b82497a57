"""JWTs of one type, signed and verified strictly (RFC 7515, 7519, 8725; OWASP ASVS 9.1, 9.2).

PyJWT does the signatures. It leaves open what is closed here: `typ`, other header parameters, JSON
with a name twice, numbers that are no integers, and the size of what it will read.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, NoReturn, TypeVar

import jwt

from sessiond.domain.limits import MAX_JWT
from sessiond.tokens.claims import Claims, text, whole
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keyring import KeyRing, KeySet
from sessiond.tokens.keys import Algorithm
from sessiond.tokens.remembered import Remembered

_SEGMENTS: Final = 3
_HEADER: Final = {"alg", "kid", "typ"}
_jws: Final = jwt.PyJWS(algorithms=list(Algorithm))

C = TypeVar("C")


class JwtInvalidError(Exception):
    """Not a token that this service signed as a token of this type."""


class JwtExpiredError(Exception):
    """A good token, past its `exp` and the leeway."""


@dataclass(frozen=True, slots=True)
class _Verified(Generic[C]):
    claims: C
    expire_s: int
    key_until_s: float


class StrictJwt(Generic[C]):
    """One type of JWT: its `typ`, its keys, its issuer and how its claims are read."""

    def __init__(
        self,
        ring: KeyRing,
        kind: Kind,
        *,
        typ: str,
        issuer: str,
        leeway_s: float,
        remember: int,
        read: Callable[[Claims], C],
    ) -> None:
        """Describe the type.

        Args:
            ring: holds the keys.
            kind: which of its keys sign this type, and no other.
            typ: the exact `typ` header (RFC 8725 3.11).
            issuer: the exact `iss`.
            leeway_s: seconds of clock difference allowed for `exp`, `iat` and `nbf`.
            remember: how many verified tokens to remember.
            read: makes typed claims of a payload, or raises ValueError.
        """
        self._ring = ring
        self._kind = kind
        self._typ = typ
        self._issuer = issuer
        self._leeway_s = leeway_s
        self._read = read
        self._remembered: Remembered[_Verified[C]] = Remembered(remember)

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with these claims and `iss`, signed by the key whose turn it is."""
        key = self._ring.keys.tokens[self._kind].signer(self._ring.now())
        return jwt.encode(
            {"iss": self._issuer, **claims},
            key.private,
            algorithm=key.algorithm,
            headers={"typ": self._typ, "kid": key.id},
        )

    def verify(self, token: str, *, at_any_age: bool = False) -> C:
        """The claims of a token, believed only after its signature; `at_any_age` expired ones too.

        Raises:
            JwtInvalidError: anything is wrong with it but its age.
            JwtExpiredError: nothing is, but its age.
        """
        if len(token) > MAX_JWT or not token.isascii():
            raise JwtInvalidError
        now_s, keys = self._ring.now(), self._ring.keys
        digest = hashlib.sha256(token.encode()).digest()
        verified = self._remembered.get(keys, digest)
        if verified is None or now_s >= verified.key_until_s:
            verified = self._check(token, keys, now_s)
        if now_s >= verified.expire_s + self._leeway_s:
            self._remembered.forget(digest)
            if at_any_age:
                return verified.claims
            raise JwtExpiredError
        self._remembered.put(keys, digest, verified)
        return verified.claims

    def _check(self, token: str, keys: KeySet, now_s: float) -> _Verified[C]:
        try:
            payload, key_until_s = self._payload(token, keys, now_s)
            claims = _object(payload)
            self._check_common(claims, now_s)
            return _Verified(self._read(claims), whole(claims, "exp"), key_until_s)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise JwtInvalidError from None

    def _payload(self, token: str, keys: KeySet, now_s: float) -> tuple[bytes, float]:
        segments = token.split(".")
        if len(segments) != _SEGMENTS:
            raise ValueError("not a JWS in compact form")
        decoded = [_canonical(segment) for segment in segments]
        header = _object(decoded[0])
        # A closed set of names: no `crit`, `b64`, `zip`, and none that brings a key along.
        if header.keys() != _HEADER or header["typ"] != self._typ:
            raise ValueError("not the header of this type")
        term = keys.tokens[self._kind].find(text(header, "kid"), now_s)
        if term is None or header["alg"] != term.key.algorithm:
            raise ValueError("no such key")
        payload: bytes = _jws.decode(token, term.key.public, algorithms=[term.key.algorithm])
        return payload, term.verifies_until_s

    def _check_common(self, claims: Claims, now_s: float) -> None:
        latest_s = now_s + self._leeway_s
        if text(claims, "iss") != self._issuer:
            raise ValueError("another issuer")
        if whole(claims, "iat") > latest_s:
            raise ValueError("issued in the future")
        if "nbf" in claims and whole(claims, "nbf") > latest_s:
            raise ValueError("not yet valid")


def _canonical(segment: str) -> bytes:
    """Decode base64url without padding (RFC 7515 2); one text for each value and no other."""
    raw = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != segment:
        raise ValueError("not base64url")
    return raw


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose names differ (RFC 7515 4, RFC 7519 4)."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name twice")
    return members


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_json: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)


def _object(data: bytes) -> Claims:
    value: object = _json.decode(data.decode("utf-8"))
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - refused input, not a wrong call
    return value
