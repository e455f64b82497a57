"""The operations that are measured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from ground import Ground
from load import Load


@dataclass(frozen=True)
class Operation:
    """A kind of call, and how many of them make a run."""

    name: str
    make: Callable[[Ground, int], Awaitable[Load]]
    calls: int
    scripts: int = 1
    """How many scripts a call runs in the engine; they are sent at once."""


ONE: Final = Operation("Validate by session id", Ground.validate_one, 6000)
ANY: Final = Operation("Validate by session id", Ground.validate_any, 3000)
_KNOWN: Final = Operation(
    "Validate by access token, seen before", Ground.validate_known_token, 6000
)
_KNOWN_ONES: Final = Operation(
    "Validate by access token, seen before", Ground.validate_known_tokens, 6000
)
_FRESH: Final = Operation(
    "Validate by access token, first sight", Ground.validate_fresh_tokens, 3000
)
_CREATE: Final = Operation("Create", Ground.create, 3000)
_AT_CAP: Final = Operation("Create at the cap", Ground.create_at_cap, 3000)
REFRESH: Final = Operation("Refresh", Ground.refresh, 3000)
_REVOKE: Final = Operation("Revoke", Ground.revoke, 3000)
BATCH: Final = Operation("BatchValidate of 100", Ground.validate_batch, 400, scripts=100)
_BATCHES: Final = Operation("BatchValidate of 100", Ground.validate_batches, 300, scripts=100)

BESIDE_THE_BASELINE: Final = (ONE, _KNOWN, _FRESH, _CREATE, _AT_CAP, REFRESH, _REVOKE, BATCH)
BY_SIZE: Final = (ANY, _KNOWN_ONES, _FRESH, _CREATE, _AT_CAP, REFRESH, _REVOKE, _BATCHES)
