"""What makes a retry recognisable (AIP-155), bound to the caller: others never see its results."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from base64 import urlsafe_b64encode
from typing import Any

from sessiond.store.replies import Request


def _hash(value: Any, size: int) -> str:
    text = json.dumps(
        value, default=_members, sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:size]).decode().rstrip("=")


def _members(value: Any) -> dict[str, Any]:
    """A dataclass as JSON has it; dataclasses.asdict would copy all that it holds."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def request(
    caller: str, request_id: str, *, method: str, user_id: str, command: Any, ttl_ms: int
) -> Request:
    """The idempotency record's key and the digest of what was asked; empty without a request id.

    Args:
        caller: who asks.
        request_id: as the caller gave it.
        method: the operation.
        user_id: whom it is about.
        command: a dataclass that holds everything that was asked.
        ttl_ms: how long the record is kept.
    """
    if not request_id:
        return Request()
    return Request(
        key=_hash([caller, method, user_id, request_id], 16),
        digest=_hash(command, 16),
        ttl_ms=ttl_ms,
    )


def mark(caller: str, request_id: str) -> str:
    """What a session keeps of a request to know its retry by; empty without an id."""
    return _hash([caller, request_id], 9) if request_id else ""
