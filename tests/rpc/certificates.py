"""Certificates of a server and of its callers, by an authority of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import grpc

from tests.certificates import SERVING, Authority, Issued


@dataclass
class Tls:
    """Files of a server, and what its clients trust and show."""

    certificate: Path
    key: Path
    issuer: Authority
    client_ca: Path | None = None
    """With it, the server asks for certificates."""
    _issued: dict[str, Issued] = field(default_factory=dict)

    @property
    def authority(self) -> bytes:
        """The PEM certificate that clients trust."""
        return self.issuer.certificate_pem

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Of the server."""
        settings = {"tls_cert_file": self.certificate, "tls_key_file": self.key}
        return settings | ({"tls_client_ca_file": self.client_ca} if self.client_ca else {})

    def renew(self, issuer: Authority | None = None) -> None:
        """Another certificate and key for the server, maybe of another authority."""
        self.issuer = issuer or self.issuer
        issued = self.issuer.issue("localhost", "127.0.0.1", purpose=SERVING)
        replace(self.key, issued.key)
        replace(self.certificate, issued.certificate)

    def credentials(self, caller: str = "") -> grpc.ChannelCredentials:
        """A caller's end of the connection; without a name, one that no caller has."""
        if not self.client_ca:
            return grpc.ssl_channel_credentials(self.authority)
        if caller not in self._issued:
            uris = [spiffe_id(caller)] if caller else []
            self._issued[caller] = self.issuer.issue("", uris=uris)
        return grpc.ssl_channel_credentials(self.authority, *self._issued[caller])


def spiffe_id(caller: str) -> str:
    """The name of a caller in its certificate."""
    return f"spiffe://tests/{caller}"


def make_tls(directory: Path, *, mutual: bool = False) -> Tls:
    """Write a certificate for 127.0.0.1 and localhost, and its key."""
    issuer = Authority()
    tls = Tls(directory / "server.crt", directory / "server.key", issuer)
    if mutual:
        tls.client_ca = directory / "clients.crt"
        tls.client_ca.write_bytes(issuer.certificate_pem)
    tls.renew()
    return tls


def replace(path: Path, content: bytes) -> None:
    """As good tools do it: a new file in the place of the old."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)
