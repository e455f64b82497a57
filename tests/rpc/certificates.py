"""A server certificate by an authority of the test's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.certificates import Authority


@dataclass(frozen=True)
class Tls:
    """Files of a server, and the PEM certificate that its clients trust."""

    certificate: Path
    key: Path
    authority: bytes


def make_tls(directory: Path) -> Tls:
    """Write a certificate for 127.0.0.1 and localhost, and its key."""
    authority = Authority()
    key, certificate = authority.issue("localhost", "127.0.0.1")
    tls = Tls(directory / "server.crt", directory / "server.key", authority.certificate_pem)
    tls.certificate.write_bytes(certificate)
    tls.key.write_bytes(key)
    return tls
