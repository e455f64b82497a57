"""A certificate authority for one test run."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

SERVING = ExtendedKeyUsageOID.SERVER_AUTH
CALLING = ExtendedKeyUsageOID.CLIENT_AUTH
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_DAY = timedelta(days=1)


class Issued(NamedTuple):
    """A private key and its certificate, in PEM."""

    key: bytes
    certificate: bytes


class Authority:
    """Signs certificates; nobody trusts it unless told to."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        # Of two authorities with one name, only the first would be looked at.
        self._name = _name(f"Test CA {secrets.token_hex(8)}")
        self._certificate = (
            _builder(self._name, self._name, self._key.public_key(), _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate_pem = _pem(self._certificate)

    def issue(
        self,
        host: str,
        *addresses: str,
        uris: Sequence[str] = (),
        lives: timedelta = _DAY,
        purpose: ObjectIdentifier | None = None,
        key: PrivateKey | None = None,
    ) -> Issued:
        """A certificate for a host and its addresses, from an hour ago; by default of an EC key.

        An empty host, or one that is no name, stands for the subject alone.
        """
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName(host)] if host and " " not in host else []
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(host or "nobody"), self._name, key.public_key(), lives)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if purpose:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Issued(private, _pem(builder.sign(self._key, hashes.SHA256())))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    lives: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + lives)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
