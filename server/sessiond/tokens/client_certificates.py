"""Callers' certificates: what a verified one says of its holder.

The transport has verified chain, purpose and time when the connection was made; what is read here
is who it names, and whether its time has run out since.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509

_REMEMBERED: Final = 1024
_DNS: Final = "dns:"
_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*://[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Times are seconds since the Unix epoch."""

    names: frozenset[str]
    """Its subject alternative names (RFC 9525): URIs as they are, host names as `dns:NAME`."""
    issue_s: float
    expire_s: float


@lru_cache(_REMEMBERED)
def read_certificate(pem: bytes) -> ClientCertificate:
    """What a certificate says; the subject's common name counts for nothing (RFC 9525, 2).

    Raises:
        ValueError: it is no certificate.
    """
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        alternatives = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        names = []
    else:
        uris = alternatives.get_values_for_type(x509.UniformResourceIdentifier)
        # There are URIs that begin with dns: (RFC 4501), whoever was let to have them certified.
        names = [uri for uri in uris if _URI.fullmatch(uri)]
        names += [_DNS + host.lower() for host in alternatives.get_values_for_type(x509.DNSName)]
    return ClientCertificate(
        frozenset(names),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def is_certificate_name(name: str) -> bool:
    """Whether a certificate may be known by this: one URI or one host, never a pattern."""
    if name.startswith(_DNS):
        return _HOST.fullmatch(name.removeprefix(_DNS)) is not None
    return _URI.fullmatch(name) is not None
