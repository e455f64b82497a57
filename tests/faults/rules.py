"""The rules that a server under test is given, as its settings and as what the checker holds it to.

with start_sessiond(**RULES.settings()) as server: ...
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """A profile. Times are milliseconds."""

    cap: int
    idle_ms: int
    absolute_ms: int
    at_cap: str = "evict_oldest"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a server must keep to."""

    profiles: Mapping[str, Limits]
    """Of every name; `default` is among them."""
    grace_ms: int
    slack_ms: int = 50
    """How far our idea of the engine's clock may be off."""
    late_ms: float = 100
    """How long after its deadline a call may be answered."""
    durable: bool = True
    """Whether the engine keeps all that it acknowledged; not after kill -9 without
    `appendfsync always`."""
    unbroken: bool = False
    """Whether nothing that happens may fail a call."""

    def settings(self) -> dict[str, str]:
        """For `start_sessiond`."""
        default = self.profiles["default"]
        named = {
            name: {
                "idle_lifetime": f"{limits.idle_ms}ms",
                "absolute_lifetime": f"{limits.absolute_ms}ms",
                "session_cap": limits.cap,
                "at_cap": limits.at_cap,
            }
            for name, limits in self.profiles.items()
            if name != "default"
        }
        return {
            "grace_time": f"{self.grace_ms}ms",
            "idle_lifetime": f"{default.idle_ms}ms",
            "absolute_lifetime": f"{default.absolute_ms}ms",
            "session_cap": str(default.cap),
            "at_cap": default.at_cap,
            "profiles": json.dumps(named),
        }


RULES: Final = Rules(
    profiles={
        "default": Limits(cap=3, idle_ms=600_000, absolute_ms=3_600_000),
        # Over within a round, by the one limit or the other.
        "brief": Limits(cap=4, idle_ms=1_000, absolute_ms=2_000),
        "idlest": Limits(cap=2, idle_ms=600_000, absolute_ms=3_600_000, at_cap="evict_idle"),
        "closed": Limits(cap=2, idle_ms=600_000, absolute_ms=3_600_000, at_cap="reject"),
    },
    grace_ms=300,
)
"""Caps that are soon reached, and times that are soon over."""
