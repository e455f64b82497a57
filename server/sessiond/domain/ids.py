"""Session ids and partitions.

A session id is base64url of 18 bytes: the partition, then 17 random bytes (136 bits, above the
128 that OWASP ASVS 5.0, 7.2.3 asks for), or those of a keyed hash if it was imported. Its keys are
found from the id alone.
"""

from __future__ import annotations

import re
import secrets
import zlib
from base64 import urlsafe_b64encode
from typing import Final

PARTITIONS: Final = 64
SESSION_ID_BYTES: Final = 18
SESSION_ID_LENGTH: Final = 24

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")
"""24 characters hold exactly 18 bytes, so each value has one text."""
_PARTITION_OF_START: Final = {
    urlsafe_b64encode(bytes((partition, second))).decode()[:2]: partition
    for partition in range(PARTITIONS)
    for second in range(0, 256, 16)
}
"""By the first two characters: the partition's eight bits, and four of the next."""


def partition_of_user(user_id: str) -> int:
    """The partition, 0..63, that holds every key of this user."""
    return zlib.crc32(user_id.encode()) & (PARTITIONS - 1)


def new_session_id(user_id: str) -> str:
    """A fresh session id in the user's partition."""
    return session_id(user_id, secrets.token_bytes(SESSION_ID_BYTES - 1))


def session_id(user_id: str, rest: bytes) -> str:
    """The session id in the user's partition that goes on with these 17 bytes."""
    return urlsafe_b64encode(bytes((partition_of_user(user_id),)) + rest).decode()


def partition_of_session(session_id: str) -> int:
    """The partition that a session id names.

    Raises:
        ValueError: not a session id: wrong length, not base64url, or no such partition.
    """
    if len(session_id) != SESSION_ID_LENGTH:
        raise ValueError("a session id has 24 characters")
    if not _BASE64URL.fullmatch(session_id):
        raise ValueError("a session id is base64url")
    partition = _PARTITION_OF_START.get(session_id[:2])
    if partition is None:
        raise ValueError("a session id starts with its partition, 0 to 63")
    return partition
