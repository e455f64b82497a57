"""Refresh tokens: opaque to their holder, and nothing secret of them is stored.

    srt1_ base64url(key id, 4 bytes | session id, 18 | generation, 4 | MAC, 16)

A token is a function of its key, session and generation, so a replay gives the very same string,
across a key rotation too. Numbers are big-endian; the MAC is the first half of HMAC-SHA256.
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from sessiond.domain.errors import RefreshTokenInvalidError
from sessiond.domain.ids import partition_of_session
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.keys import SecretKey

PREFIX: Final = "srt1_"
TOKEN_LENGTH: Final = 61
MAX_GENERATION: Final = 2**32 - 1
_BODY: Final = struct.Struct(">I18sI")
_MAC_BYTES: Final = 16
_LABEL: Final = b"sessiond refresh token v1\0"
_REFUSAL: Final = "not a valid refresh token"


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a refresh token says; its MAC was good."""

    session_id: str
    generation: int
    key_id: int


class RefreshTokens:
    """Mints and parses refresh tokens with the MAC keys of a ring."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    @property
    def key_id(self) -> int:
        """The id of the key that mints now, a uint32."""
        return self._signer().id

    def mint(self, session_id: str, generation: int, key_id: int | None = None) -> str:
        """The refresh token of one generation of a session.

        Args:
            session_id: 24 characters, as made by domain.ids.
            generation: 1 to 2**32 - 1.
            key_id: the key that minted this generation first; None is the current key.

        Raises:
            ValueError: not a session id, or not a generation.
            RefreshTokenInvalidError: the key is no longer in the ring, so neither this token nor
                the one it repeats can be used.
        """
        partition_of_session(session_id)
        if not 0 < generation <= MAX_GENERATION:
            raise ValueError("a generation is 1 to 4294967295")
        key = self._signer() if key_id is None else self._key(key_id)
        body = _BODY.pack(key.id, urlsafe_b64decode(session_id), generation)
        return PREFIX + urlsafe_b64encode(body + _mac(key, body)).decode()

    def parse(self, token: str) -> RefreshClaims:
        """What a token says, if one of our keys made it exactly like this.

        Raises:
            RefreshTokenInvalidError: it is anything else; the message does not say what.
        """
        if len(token) != TOKEN_LENGTH or not token.startswith(PREFIX) or not token.isascii():
            raise RefreshTokenInvalidError(_REFUSAL)
        text = token[len(PREFIX) :]
        try:
            raw = urlsafe_b64decode(text)
        except ValueError:
            raise RefreshTokenInvalidError(_REFUSAL) from None
        # Python's decoder skips characters outside the alphabet and takes "+" and "/" too.
        if urlsafe_b64encode(raw).decode() != text:
            raise RefreshTokenInvalidError(_REFUSAL)
        return self._claims(raw[: _BODY.size], raw[_BODY.size :])

    def _claims(self, body: bytes, mac: bytes) -> RefreshClaims:
        key_id, session, generation = _BODY.unpack(body)
        key = self._key(key_id)
        if not hmac.compare_digest(_mac(key, body), mac):
            raise RefreshTokenInvalidError(_REFUSAL)
        session_id = urlsafe_b64encode(session).decode()
        try:
            partition_of_session(session_id)
        except ValueError:
            raise RefreshTokenInvalidError(_REFUSAL) from None
        if generation == 0:
            raise RefreshTokenInvalidError(_REFUSAL)
        return RefreshClaims(session_id, generation, key_id)

    def _signer(self) -> SecretKey:
        return self._ring.keys.secrets[Kind.MAC].signer(self._ring.now())

    def _key(self, key_id: int) -> SecretKey:
        term = self._ring.keys.secrets[Kind.MAC].find(key_id, self._ring.now())
        if term is None:
            raise RefreshTokenInvalidError(_REFUSAL)
        return term.key


def _mac(key: SecretKey, body: bytes) -> bytes:
    return key.digest(_LABEL + body)[:_MAC_BYTES]
