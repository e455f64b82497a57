"""TLS handshakes as any client may try them, without gRPC."""

from __future__ import annotations

import socket
import ssl
import warnings


def handshake(
    address: str, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, *, suites: str = "ALL"
) -> tuple[str, bytes]:
    """Which version is agreed on, by a client that knows all up to one, and whose certificate.

    The latter is in DER; nothing of it is verified. Up to TLS 1.2 the client knows these cipher
    suites alone.

    Raises:
        OSError: there was no agreement.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(f"{suites}:@SECLEVEL=0")  # or the client itself would not speak TLS 1.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what no client should speak
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as line,
        context.wrap_socket(line) as agreed,
    ):
        return agreed.version() or "", agreed.getpeercert(binary_form=True) or b""
