"""The two forms of a key: one that signs JWTs and one that makes MACs.

Neither keeps its secret where a repr, a message or a traceback could show it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from sessiond.domain.errors import StartupError
from sessiond.tokens.keyfiles import KeyFile

SECRET_BYTES: Final = 32
_DISTINCT_BYTES: Final = 8
_PKCS8: Final = b"-----BEGIN PRIVATE KEY-----"
_ENCRYPTED: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


class Algorithm(StrEnum):
    """The JWS algorithms we sign with (RFC 8037 3.1, RFC 7518 3.4; OWASP ASVS 9.1.2)."""

    EDDSA = "EdDSA"
    ES256 = "ES256"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key that signs JWTs; `id` is the `kid`."""

    id: str
    algorithm: Algorithm
    public: Ed25519PublicKey | ec.EllipticCurvePublicKey
    private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    fingerprint: bytes = field(repr=False)
    """Equal for the same key in two files."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key that makes MACs; `id` is a uint32."""

    id: int
    mac: hmac.HMAC = field(repr=False)
    fingerprint: bytes = field(repr=False)

    def digest(self, message: bytes) -> bytes:
        """HMAC-SHA256 of the message, 32 bytes (RFC 2104)."""
        mac = self.mac.copy()
        mac.update(message)
        return mac.digest()


def parse_token_key(file: KeyFile, pem: bytes) -> TokenKey:
    """The key in a PKCS#8 PEM file (RFC 5958).

    Raises:
        StartupError: encrypted, not PKCS#8, neither Ed25519 nor P-256, or weak.
    """
    if pem.lstrip().startswith(_ENCRYPTED):
        raise StartupError(
            f"{file.path} is encrypted: store it decrypted"
            " (`openssl pkcs8 -topk8 -nocrypt`), mode 600"
        )
    private = _load(pem)
    if isinstance(private, Ed25519PrivateKey):
        secret = private.private_bytes_raw()
        public: Ed25519PublicKey | ec.EllipticCurvePublicKey = private.public_key()
        algorithm = Algorithm.EDDSA
    elif isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(
        private.curve, ec.SECP256R1
    ):
        secret = private.private_numbers().private_value.to_bytes(SECRET_BYTES)
        public = private.public_key()
        algorithm = Algorithm.ES256
    elif private is None:
        raise StartupError(
            f"{file.path} is not a PKCS#8 private key in PEM:"
            f" replace it, or make a new one with `{file.kind.remedy}`"
        )
    else:
        raise StartupError(
            f"{file.path} is neither an Ed25519 nor an EC P-256 key:"
            f" make one with `{file.kind.remedy}`"
        )
    _refuse_weak(file, secret)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return TokenKey(file.stem, algorithm, public, private, hashlib.sha256(der).digest())


def parse_secret_key(file: KeyFile, text: bytes) -> SecretKey:
    """The key in a hex file.

    Raises:
        StartupError: not hex, shorter than 32 bytes, or weak.
    """
    secret = _from_hex(text)
    if secret is None:
        raise StartupError(
            f"{file.path} is not hex text: remove it, and make a key with `{file.kind.remedy}`"
        )
    _refuse_weak(file, secret)
    return SecretKey(
        file.number, hmac.new(secret, digestmod=hashlib.sha256), hashlib.sha256(secret).digest()
    )


def new_token_key(algorithm: Algorithm) -> bytes:
    """A fresh private key as PKCS#8 PEM."""
    private = (
        Ed25519PrivateKey.generate()
        if algorithm is Algorithm.EDDSA
        else ec.generate_private_key(ec.SECP256R1())
    )
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def new_secret_key() -> bytes:
    """A fresh 32-byte secret as a line of hex."""
    return secrets.token_hex(SECRET_BYTES).encode() + b"\n"


def public_jwk(key: TokenKey) -> dict[str, str]:
    """The public half as a JWK (RFC 7517 4, RFC 8037 2)."""
    public = (
        OKPAlgorithm.to_jwk(key.public, as_dict=True)
        if isinstance(key.public, Ed25519PublicKey)
        else ECAlgorithm.to_jwk(key.public, as_dict=True)
    )
    return {**public, "kid": key.id, "use": "sig", "alg": key.algorithm.value}


# These two answer None instead of raising within `except`: an exception that was replaced still
# hangs on the new one as its context, with bytes of the key in it.
def _load(pem: bytes) -> PrivateKeyTypes | None:
    if not pem.lstrip().startswith(_PKCS8):
        return None
    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _from_hex(text: bytes) -> bytes | None:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return None


def _refuse_weak(file: KeyFile, secret: bytes) -> None:
    if len(secret) < SECRET_BYTES:
        raise StartupError(
            f"{file.path} is too short, {len(secret)} of at least {SECRET_BYTES} bytes:"
            f" remove it, and make a key with `{file.kind.remedy}`"
        )
    if len(set(secret)) < _DISTINCT_BYTES:
        raise StartupError(
            f"{file.path} is not random: remove it, and make a key with `{file.kind.remedy}`"
        )
