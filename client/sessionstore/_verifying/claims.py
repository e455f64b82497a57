"""What the claims of an access token say (RFC 9068, 2.2): wrong types refuse the token."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from zlib import crc32

from sessionstore.verifier_types import VerifiedToken

_MAX_TIME_S: Final = 253_402_300_799
"""The last second of the year 9999."""
_SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{24}")
_PARTITIONS: Final = 64


def read(claims: dict[str, Any]) -> VerifiedToken:
    """What they say, every one of them that we mint.

    Raises:
        ValueError: one is missing, or of another type.
    """
    session_id, user_id = _text(claims, "sid"), _text(claims, "sub")
    if not _is_of_user(session_id, user_id):
        raise ValueError("the session is another user's")
    _text(claims, "iss")
    _text(claims, "jti")
    for name, kind in (("acr", _text), ("amr", _texts), ("auth_time", _time)):
        if name in claims:
            kind(claims, name)
    one_audience = isinstance(claims.get("aud"), str)
    return VerifiedToken(
        session_id=session_id,
        user_id=user_id,
        client_id=_text(claims, "client_id"),
        audience=(_text(claims, "aud"),) if one_audience else _texts(claims, "aud"),
        issue_time=_time(claims, "iat"),
        expire_time=_time(claims, "exp"),
        claims=MappingProxyType(claims),
    )


def good_from_s(token: VerifiedToken) -> float:
    """From when the token is good: the later of `iat` and `nbf`.

    Raises:
        ValueError: `nbf` is no time in whole seconds.
    """
    times = [token.issue_time]
    if "nbf" in token.claims:
        times.append(_time(token.claims, "nbf"))
    return max(times).timestamp()


def _is_of_user(session_id: str, user_id: str) -> bool:
    """A session id begins with its partition, which the user's id decides."""
    if not _SESSION_ID.fullmatch(session_id):
        return False
    return urlsafe_b64decode(session_id)[0] == crc32(user_id.encode()) % _PARTITIONS


def _text(claims: Mapping[str, object], name: str) -> str:
    return _checked_text(claims.get(name), name)


def _texts(claims: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = claims.get(name)
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name} is a list")
    return tuple(_checked_text(item, name) for item in value)


def _checked_text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is a string")
    value.encode()
    return value


def _time(claims: Mapping[str, object], name: str) -> datetime:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_TIME_S:
        raise ValueError(f"{name} is a time in whole seconds")
    return datetime.fromtimestamp(value, UTC)
