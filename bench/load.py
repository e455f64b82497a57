"""A load on a server: what is asked, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

IN_FLIGHT: Final = 64
SERVICE: Final = "/sessionstore.v1.SessionService/"


@dataclass(frozen=True)
class Load:
    """Calls of one method, `IN_FLIGHT` of them at any time.

    Each request is sent `repeat` times; a RefreshSession is followed by those with the token of the
    answer before.
    """

    method: str
    requests: list[bytes]
    """Serialized."""
    expected: list[str]
    """For each request what its answers have to be, see `answers.check`."""
    repeat: int = 1

    @property
    def calls(self) -> int:
        """How many calls it is made of."""
        return len(self.requests) * self.repeat

    @property
    def uniform(self) -> bool:
        """Whether a client that sends one body over and over will do."""
        return len(self.requests) == 1 and self.method != "RefreshSession"


@dataclass(frozen=True)
class Times:
    """How long a load took in all, in seconds, and each of its calls, in milliseconds."""

    seconds: float
    latencies_ms: list[float]

    def percentile(self, percent: int) -> float:
        """The latency in milliseconds that this share of the calls did not exceed."""
        return sorted(self.latencies_ms)[(len(self.latencies_ms) - 1) * percent // 100]


def waits(begun_s: Mapping[str, float], ended_s: Iterable[Mapping[str, float]]) -> Times:
    """How long it was from each begin to each of its ends, all by one clock in seconds."""
    times = [(ends[name] - at_s) * 1000 for ends in ended_s for name, at_s in begun_s.items()]
    return Times(0.0, times)
