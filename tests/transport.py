"""What servers under test speak: what `SESSIONSTORE_TRANSPORT` says, else plaintext."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

TRANSPORTS: Final = ("plaintext", "tls", "mtls", "native")
TRANSPORT: Final = os.environ.get("SESSIONSTORE_TRANSPORT", TRANSPORTS[0])
if TRANSPORT not in TRANSPORTS:
    raise ValueError(f"SESSIONSTORE_TRANSPORT is one of {', '.join(TRANSPORTS)}")


def chosen(settings: Iterable[str]) -> dict[str, str]:
    """The settings that choose it, beside these; who has a certificate serves by grpcio."""
    return (
        {"transport": "native"}
        if TRANSPORT == "native" and "tls_cert_file" not in set(settings)
        else {}
    )
