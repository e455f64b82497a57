"""The server's end of TLS: its certificate, and whose certificates it takes of its callers."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509

from sessiond.domain.errors import StartupError
from sessiond.reloading import Reloaded


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """All in PEM."""

    chain: Path
    """The server's certificate first."""
    key: Path
    client_ca: Path | None = None
    """Certificates by which every client's must be signed; without it, none is asked for."""

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file that there is."""
        return tuple(path for path in (self.chain, self.key, self.client_ca) if path)


@dataclass(frozen=True, slots=True)
class _Material:
    chain: bytes
    key: bytes
    client_ca: bytes | None

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """For gRPC, which takes each but once."""
        pairs = [(self.key, self.chain)]
        return grpc.ssl_server_certificate_configuration(pairs, root_certificates=self.client_ca)


class Tls:
    """Certificates of one server, read again as their files change.

    gRPC speaks TLS 1.2 and 1.3 (RFC 9325, 3.1.1). A new certificate is for new connections; those
    that stand have verified the one before.
    """

    def __init__(self, files: TlsFiles) -> None:
        """Read the files.

        Raises:
            StartupError: one cannot be read, chain and key are not a pair, or the certificate has
                expired.
        """
        self._mutual: Final = files.client_ca is not None
        self._files = Reloaded(files.all, partial(_read_all, files))
        self._served = self._files.value

    def credentials(self) -> grpc.ServerCredentials:
        """What a port is opened with. It follows `reload_if_changed`."""
        return grpc.dynamic_ssl_server_credentials(
            self._served.configuration(),
            self._news,  # type: ignore[arg-type]  # None says that nothing has changed
            require_client_authentication=self._mutual,
        )

    def reload_if_changed(self) -> bool:
        """Read the files again if one has changed.

        Returns:
            Whether new connections get other certificates from now on.

        Raises:
            StartupError: they cannot be used, raised once for each change; the old ones stay.
        """
        return self._files.reload_if_changed()

    def _news(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by a thread of gRPC at every handshake: what has changed since the last one."""
        current = self._files.value
        if current is self._served:
            return None
        self._served = current
        return current.configuration()


def _read_all(files: TlsFiles) -> _Material:
    material = _Material(
        _read(files.chain), _read(files.key), _read(files.client_ca) if files.client_ca else None
    )
    _check_pair(files)
    try:
        expiry = x509.load_pem_x509_certificate(material.chain).not_valid_after_utc
    except ValueError as error:  # OpenSSL takes more than X.509 in PEM
        raise StartupError(f"{files.chain} does not begin with a certificate: {error}") from None
    if expiry < datetime.now(UTC):
        raise StartupError(f"the certificate in {files.chain} expired on {expiry:%Y-%m-%d %H:%M}Z")
    if material.client_ca is not None:
        _check_authorities(files.client_ca, material.client_ca)
    return material


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartupError(f"cannot read {path}: {error.strerror}") from None


def _check_pair(files: TlsFiles) -> None:
    """Load the pair as gRPC will, which tells on standard error what is wrong, and not us."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.chain, files.key, lambda: "")
    except (ssl.SSLError, OSError):
        raise StartupError(
            f"{files.chain} and {files.key} are not a certificate chain and its key: both in PEM,"
            " the key without a password"
        ) from None


def _check_authorities(path: Path | None, pem: bytes) -> None:
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise StartupError(
            f"no certificates in {path}: give those of the authorities in PEM"
        ) from None
