"""Access tokens of a service of one's own, and the keys that verify them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keymaker import create_keys
from sessiond.tokens.keyring import KeyRing, Lifetimes
from sessiond.tokens.keys import Algorithm, TokenKey, public_jwk
from sessionstore.v1 import session_service_pb2 as pb
from tests.client.fake_service import FakeService
from tests.client.messages import stamp
from tests.unit.tokens.forge import header, signed

ISSUER = "https://sessions.test"
AUDIENCE = "api"
USER = "alice"


def new_key(directory: Path, algorithm: Algorithm = Algorithm.EDDSA) -> TokenKey:
    """A signing key, in a key ring of its own."""
    create_keys(directory, algorithm=algorithm)
    ring = KeyRing.load(directory, Lifetimes(access_s=3600, service_s=3600, session_s=3600))
    return ring.keys.tokens[Kind.SIGNING].signer(time.time())


def token(
    key: TokenKey, session_id: str | None = None, *, at_s: float | None = None, **changes: Any
) -> str:
    """A good token of alice's; a change to None leaves a claim out."""
    now = int(time.time() if at_s is None else at_s)
    claims = {
        "iss": ISSUER, "sub": USER, "aud": AUDIENCE, "client_id": "web", "exp": now + 3600,
        "iat": now, "jti": "a" * 22, "sid": session_id or new_session_id(USER), **changes,
    }  # fmt: skip
    return signed(key, header(key), {k: v for k, v in claims.items() if v is not None})


def signing_keys(keys: Sequence[TokenKey], lifetime: timedelta) -> pb.GetSigningKeysResponse:
    """What GetSigningKeys answers."""
    now = datetime.now(UTC)
    return pb.GetSigningKeysResponse(
        keys=[pb.JsonWebKey(**public_jwk(key)) for key in keys],
        issuer=ISSUER,
        read_time=stamp(now),
        expire_time=stamp(now + lifetime),
    )


def publish(
    service: FakeService, *keys: TokenKey, lifetime: timedelta = timedelta(minutes=5)
) -> None:
    """Let the fake service give these keys."""
    service.answer("GetSigningKeys", lambda *_: signing_keys(keys, lifetime))
