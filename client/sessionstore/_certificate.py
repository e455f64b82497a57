"""The certificate that a backend proves its own name with, and its key."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from sessionstore._renewed import Renewed


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """Both in PEM; another object for each reading."""

    chain: bytes
    key: bytes = field(repr=False)


CertificateSource = Callable[[], Certificate | None]
"""Gives the certificate to show, if there is one: the same object until it is renewed."""


def no_certificate() -> None:
    """The source of those who have none."""


def certificate_source(
    cert_file: str | PathLike[str] | None, key_file: str | PathLike[str] | None
) -> CertificateSource:
    """The certificate in these files.

    Raises:
        ValueError: one file without the other, or they are not a certificate and its key.
        OSError: a file cannot be read.
    """
    if not cert_file and not key_file:
        return no_certificate
    if not cert_file or not key_file:
        raise ValueError("a client certificate needs its key, and a key its certificate")
    chain, key = Path(cert_file), Path(key_file)
    return Renewed((chain, key), lambda: _read(chain, key))


def _read(chain: Path, key: Path) -> Certificate:
    read = Certificate(chain.read_bytes(), key.read_bytes())
    try:
        # gRPC would only say that it cannot connect.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(chain, key, lambda: "")
    except ssl.SSLError:
        raise ValueError(f"{chain} and {key} are not a certificate and its key in PEM") from None
    return read
