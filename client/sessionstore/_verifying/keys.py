"""The public keys that verify access tokens, as they were last fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import jwt

from sessionstore.types import SigningKey, SigningKeys

_CURVES: Final = {"EdDSA": ("OKP", "Ed25519"), "ES256": ("EC", "P-256")}
"""The algorithms that are believed, and what their keys look like (RFC 8037 2, RFC 7518 6.2)."""
_PAUSE_S: Final = 1.0
"""Keys are not asked for more often than this, whatever tokens come."""


@dataclass(frozen=True, slots=True, eq=False)
class PublicKey:
    """One key, parsed once."""

    source: SigningKey
    public: Any


@dataclass(frozen=True, slots=True)
class _KeySet:
    """One answer of the service. Never changes."""

    issuer: str = ""
    by_kid: Mapping[str, PublicKey] = field(default_factory=dict)
    read_s: float = -inf
    """When the answer had come."""
    refetch_s: float = -inf
    """From when it should be asked for again: half of its time is over."""
    fresh_until_s: float = -inf
    """Until when it may be cached: from then on a key of it may have been withdrawn."""


class Keys:
    """The keys that were last fetched, and when to fetch them again. Threads may share it."""

    def __init__(self) -> None:
        self._current = _KeySet()
        self._asked_s = -inf

    @property
    def issuer(self) -> str:
        """The exact `iss` of the tokens."""
        return self._current.issuer

    def find(self, kid: str) -> PublicKey | None:
        """The key of this id."""
        return self._current.by_kid.get(kid)

    def holds(self, key: PublicKey) -> bool:
        """Whether the service still publishes this very key."""
        return self._current.by_kid.get(key.source.kid) is key

    def are_stale(self, now_s: float) -> bool:
        """Whether a key may have been withdrawn since."""
        return now_s >= self._current.fresh_until_s

    def are_recent(self, now_s: float) -> bool:
        """Whether a key that is not among them is none."""
        return now_s < self._current.read_s + _PAUSE_S

    def are_due(self, now_s: float) -> bool:
        """Whether it is time to fetch them again, before they are stale."""
        return now_s >= self._current.refetch_s

    def asking(self, now_s: float) -> bool:
        """Whether they may be asked for; if so, they are about to be."""
        if now_s < self._asked_s + _PAUSE_S:
            return False
        self._asked_s = now_s
        return True

    def took(self, answer: SigningKeys, sent_s: float, read_s: float) -> None:
        """The answer to a request sent at `sent_s`; keys that stay are the same objects."""
        lifetime_s = (answer.expire_time - answer.read_time).total_seconds()
        found = ((source.kid, self._kept(source) or _parsed(source)) for source in answer.keys)
        self._current = _KeySet(
            issuer=answer.issuer,
            by_kid={kid: key for kid, key in found if key},
            read_s=read_s,
            refetch_s=sent_s + lifetime_s / 2,
            fresh_until_s=sent_s + lifetime_s,
        )

    def _kept(self, source: SigningKey) -> PublicKey | None:
        key = self.find(source.kid)
        return key if key and key.source == source else None


def _parsed(source: SigningKey) -> PublicKey | None:
    """The key; None if it is of a kind that this verifier does not believe."""
    if _CURVES.get(source.alg) != (source.kty, source.crv) or source.use != "sig":
        return None
    try:
        return PublicKey(source, jwt.PyJWK(source.as_jwk(), source.alg).key)
    except (jwt.PyJWTError, ValueError):
        return None
