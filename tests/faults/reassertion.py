"""What servers log of failovers: that they saw one, and that they ended again what they had to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from tests.faults.sessiond import Sessiond

_LINE: Final = re.compile(r"event=(store_failover|endings_reasserted)\b(?:.* restored=(\d+))?")


@dataclass(frozen=True, slots=True)
class Saying:
    """How far a server is."""

    failovers: int
    times: int
    """How often it said all endings again."""
    restored: int
    """How many of those had been undone."""
    owing: bool
    """Whether it saw a failover after it did so last."""

    @classmethod
    def of(cls, server: Sessiond) -> Self:
        """Since its log began."""
        found = [(line[1], int(line[2] or 0)) for line in _LINE.finditer(server.log())]
        said = [restored for event, restored in found if event == "endings_reasserted"]
        owing = bool(found) and found[-1][0] == "store_failover"
        return cls(len(found) - len(said), len(said), sum(said), owing)

    def has_said_again_since(self, before: Saying) -> bool:
        return self.times > before.times and not self.owing
