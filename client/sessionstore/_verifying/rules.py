"""What a verifier is made with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from sessionstore.verifier_types import WhenStale

MAX_LEEWAY = timedelta(seconds=30)
"""What the service reckons with when it says until when an ended session has to be remembered."""


class KeyNotKnownError(Exception):
    """The token names a key that is not among those that were last fetched."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The options of a verifier, checked. `LocalVerifier` documents them."""

    audience: str
    max_age_s: float
    when_stale: WhenStale
    leeway_s: float
    remember: int

    @classmethod
    def of(
        cls,
        audience: str,
        max_age: timedelta,
        when_stale: WhenStale,
        leeway: timedelta,
        remember: int,
    ) -> Self:
        """The rules.

        Raises:
            ValueError: see `LocalVerifier`.
        """
        if not audience:
            raise ValueError("name the audience that tokens must be meant for (RFC 9068, 4)")
        if max_age <= timedelta(0):
            raise ValueError("max_age must be above 0")
        if not timedelta(0) <= leeway <= MAX_LEEWAY:
            raise ValueError("leeway must be 0 to 30 s: ended sessions are not told of for longer")
        if remember < 0:
            raise ValueError("remember must not be negative")
        return cls(
            audience,
            max_age.total_seconds(),
            WhenStale(when_stale),
            leeway.total_seconds(),
            remember,
        )
