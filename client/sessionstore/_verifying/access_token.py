"""Access tokens, read as strictly as the service reads them (RFC 7515, 7519, 8725, 9068).

PyJWT does the signatures. It leaves open what is closed here: `typ`, other header parameters, JSON
with a name twice, numbers that are no integers, and the size of what it will read.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import jwt

from sessionstore._verifying.keys import PublicKey

MAX_LENGTH: Final = 4_096
"""A longer token is refused unread."""

_SEGMENTS: Final = 3
_HEADER: Final = {"alg", "kid", "typ"}
_TYP: Final = "at+jwt"
_jws: Final = jwt.PyJWS(algorithms=["EdDSA", "ES256"])

REFUSED: Final = (jwt.PyJWTError, ValueError, RecursionError)
"""What is raised here of a token that is not good."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token that is well formed. Nothing that it says is to be believed yet."""

    token: str
    kid: str
    alg: object
    payload: bytes

    def claims(self) -> dict[str, Any]:
        """What it says; only for whoever knows that the service has just said that it is good."""
        return _object(self.payload)

    def verified(self, key: PublicKey) -> dict[str, Any]:
        """What it says, if the key has signed it."""
        if self.alg != key.source.alg:
            raise ValueError("another algorithm than the key's")
        return _object(_jws.decode(self.token, key.public, algorithms=[key.source.alg]))


def parse(token: str) -> Unverified:
    """Take a token apart; it is a JWS in compact form, with exactly the header that ours have."""
    if len(token) > MAX_LENGTH or not token.isascii():
        raise ValueError("too long, or not ASCII")
    segments = token.split(".")
    if len(segments) != _SEGMENTS:
        raise ValueError("not a JWS in compact form")
    head, payload, _ = [_canonical(segment) for segment in segments]
    header = _object(head)
    # A closed set of names: no `crit`, `b64`, `zip`, and none that brings a key along.
    if header.keys() != _HEADER or header["typ"] != _TYP or not isinstance(header["kid"], str):
        raise ValueError("not the header of an access token")
    return Unverified(token, header["kid"], header["alg"], payload)


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


def _object(data: bytes) -> dict[str, Any]:
    value: object = _json.decode(data.decode("utf-8"))
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  refused input, not a wrong call
    return value
