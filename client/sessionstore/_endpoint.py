"""Where the service is, and whether a bearer token may be sent there."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from os import PathLike, environ
from pathlib import Path

from sessionstore._certificate import CertificateSource, certificate_source, no_certificate

# Where distributions keep what `update-ca-certificates` and its kin write.
_SYSTEM_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """How to verify the server's certificate, and which one to show it."""

    ca_file: str | PathLike[str] | None = None
    """PEM certificates to trust; the system's roots if None. Read when the client is made."""
    server_name: str | None = None
    """The name the certificate must carry; the address' host if None."""
    cert_file: str | PathLike[str] | None = None
    """PEM certificate chain of this backend, where the server asks for one (mTLS). If it names a
    caller, no service token is needed, and none of the environment's is sent. Renewed files are
    read within 1 s."""
    key_file: str | PathLike[str] | None = None
    """PEM private key of the chain, without a password."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A target of gRPC's name syntax, with what is needed to trust it."""

    target: str
    tls: bool
    root_certificates: bytes | None = None
    server_name: str | None = None
    certificate: CertificateSource = no_certificate


def endpoint(address: str | None, tls: bool | TLS | None, *, plaintext: bool) -> Endpoint:
    """The endpoint that the arguments or the environment name.

    Raises:
        ValueError: no address; TLS and plaintext at once; or a bearer token would cross a network
            in clear text without `plaintext`.
        OSError: a file of certificates cannot be read.
    """
    target = address or environ.get("SESSIONSTORE_ADDRESS")
    if not target:
        raise ValueError("no address: give one, or set SESSIONSTORE_ADDRESS")
    if not isinstance(tls, TLS) and tls is not False and not plaintext:
        tls = _of_environment() or tls
    if tls and plaintext:
        raise ValueError("tls and plaintext exclude each other")
    if tls:
        options = tls if isinstance(tls, TLS) else TLS()
        return Endpoint(
            target,
            True,
            _roots(options.ca_file),
            options.server_name,
            certificate_source(options.cert_file, options.key_file),
        )
    if not plaintext and not stays_on_this_machine(target):
        raise ValueError(
            f"{target} would be sent the service token in clear text: "
            "give tls=True or TLS(...), or plaintext=True to do so on purpose"
        )
    return Endpoint(target, False)


def _of_environment() -> TLS | None:
    """What SESSIONSTORE_* say of TLS, if they do."""
    files = [environ.get(f"SESSIONSTORE_{name}_FILE") for name in ("CA", "CERT", "KEY")]
    if not any(files):
        return None
    ca_file, cert_file, key_file = files
    return TLS(ca_file=ca_file, cert_file=cert_file, key_file=key_file)


def stays_on_this_machine(target: str) -> bool:
    """Whether the target is a Unix socket or a loopback address, and surely so."""
    scheme, colon, rest = target.partition(":")
    if colon and scheme in {"unix", "unix-abstract"}:
        return True
    if colon and scheme in {"dns", "ipv4", "ipv6"}:
        target = rest.removeprefix("///")
    return all(_is_loopback(_host(each)) for each in target.split(","))


def _host(authority: str) -> str:
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    host, colon, _ = authority.rpartition(":")
    return host if colon else authority


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _roots(ca_file: str | PathLike[str] | None) -> bytes | None:
    if ca_file is not None:
        return Path(ca_file).read_bytes()
    if "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in environ:
        return None
    # Left alone, grpcio trusts the list it ships with, not what the machine's owner installed.
    found = (ssl.get_default_verify_paths().cafile, *_SYSTEM_ROOTS)
    return next((Path(path).read_bytes() for path in found if path and Path(path).is_file()), None)
