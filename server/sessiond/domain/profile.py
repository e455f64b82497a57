"""Profiles: named policies for lifetimes and the cap."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DEFAULT_PROFILE: Final = "default"


class AtCap(StrEnum):
    """What a create does when the user holds as many live sessions as the cap allows."""

    EVICT_OLDEST = "evict_oldest"
    EVICT_IDLE = "evict_idle"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Profile:
    """One policy. Times are milliseconds."""

    name: str
    idle_ms: int
    absolute_ms: int
    cap: int
    at_cap: AtCap

    @property
    def ordered_by_refresh(self) -> bool:
        """Whether the user's sorted set is scored by last refresh instead of creation."""
        return self.at_cap is AtCap.EVICT_IDLE
