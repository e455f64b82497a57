"""Names sessions of other systems: their ids here are made from their owners and their ids there.

    base64url(the user's partition, 1 byte | MAC, 17)

The MAC is the beginning of HMAC-SHA256 over a label, the user id with its length before it, and the
external id. So an import needs no table of what came in, the same session never comes in twice, and
an external id, which may be a credential over there, is not kept.
"""

from __future__ import annotations

import struct
from typing import Final

from sessiond.domain.errors import ImportKeyMissingError
from sessiond.domain.ids import SESSION_ID_BYTES, session_id
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keyring import KeyRing

_LABEL: Final = b"sessiond external id v1\0"
_LENGTH: Final = struct.Struct(">H")


class ExternalIds:
    """Names sessions of other systems by the import key of a ring."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def session_id(self, user_id: str, external_id: str) -> str:
        """The session id of a user's session in the other system.

        Raises:
            ImportKeyMissingError: the ring has no import key.
        """
        succession = self._ring.keys.secrets.get(Kind.IMPORT)
        if succession is None:
            raise ImportKeyMissingError("the key ring has no import key: run `sessiond keys init`")
        user = user_id.encode()
        message = _LABEL + _LENGTH.pack(len(user)) + user + external_id.encode()
        digest = succession.signer(self._ring.now()).digest(message)
        return session_id(user_id, digest[: SESSION_ID_BYTES - 1])
