"""What an attacker, or a bug, could make: tokens assembled by hand from any parts."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import get_algorithm_by_name

from sessiond.domain.ids import new_session_id
from sessiond.domain.session import Session, State
from sessiond.tokens.keymaker import create_keys
from sessiond.tokens.keyring import KeyRing, Lifetimes
from sessiond.tokens.keys import Algorithm

if TYPE_CHECKING:
    from pathlib import Path

    from sessiond.tokens.keys import TokenKey

NOW: Final = 1_790_000_000
ISSUER: Final = "https://sessions.test"
USER: Final = "user-1"
HOUR: Final = 3_600
DAY: Final = 24 * HOUR
LIFETIMES: Final = Lifetimes(access_s=HOUR, service_s=30 * DAY, session_s=90 * DAY)

Parts = dict[str, Any]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_s: float = NOW) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def new_ring(directory: Path, clock: Clock, *, algorithm: Algorithm = Algorithm.EDDSA) -> KeyRing:
    """A ring with one fresh key of each kind."""
    create_keys(directory, algorithm=algorithm, clock=clock)
    return KeyRing.load(directory, LIFETIMES, clock)


def new_session(**changes: Any) -> Session:
    """A live session of USER, a week from its expiry."""
    fields: Parts = {
        "id": new_session_id(USER),
        "user_id": USER,
        "profile": "default",
        "state": State.ACTIVE,
        "create_us": NOW * 1_000_000,
        "mint_ms": NOW * 1000,
        "expire_ms": (NOW + 7 * DAY) * 1000,
        "absolute_expire_ms": (NOW + 90 * DAY) * 1000,
        "refresh_ms": NOW * 1000,
        "last_seen_ms": NOW * 1000,
        "generation": 1,
        "mac_key_id": 1,
    }
    return Session(**{**fields, **changes})


def access_claims(**changes: Any) -> Parts:
    """The payload of a good access token; a change to None leaves a claim out."""
    claims: Parts = {
        "iss": ISSUER,
        "sub": USER,
        "aud": "api",
        "client_id": "login-service",
        "exp": NOW + HOUR,
        "iat": NOW,
        "jti": "a" * 22,
        "sid": new_session_id(USER),
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def service_claims(**changes: Any) -> Parts:
    """The payload of a good service token; a change to None leaves a claim out."""
    claims: Parts = {
        "iss": "sessiond",
        "sub": "login-service",
        "aud": "sessiond",
        "exp": NOW + HOUR,
        "iat": NOW,
        "jti": "a" * 22,
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def header(key: TokenKey, typ: str = "at+jwt", **changes: Any) -> Parts:
    """The header of a good token; a change to None leaves a parameter out."""
    parameters: Parts = {"alg": key.algorithm.value, "kid": key.id, "typ": typ, **changes}
    return {name: value for name, value in parameters.items() if value is not None}


def segment(part: Parts | bytes) -> str:
    """One segment: JSON, or bytes as they are."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(key: TokenKey, head: Parts | bytes, payload: Parts | bytes) -> str:
    """A token with a good signature over any parts."""
    return sign_text(key, f"{segment(head)}.{segment(payload)}")


def sign_text(key: TokenKey, text: str) -> str:
    """Any text with a good signature over it."""
    algorithm = get_algorithm_by_name(key.algorithm)
    return f"{text}.{segment(algorithm.sign(text.encode(), key.private))}"


def hs256(key: TokenKey, head: Parts, payload: Parts, form: str) -> str:
    """A token whose HMAC secret is a public key."""
    public = {
        "pem": lambda: key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": lambda: key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "raw": lambda: key.public.public_bytes(Encoding.Raw, PublicFormat.Raw),
    }[form]()
    text = f"{segment(head)}.{segment(payload)}"
    return f"{text}.{segment(hmac.digest(public, text.encode(), hashlib.sha256))}"
