"""What a test of many rounds comes to: rounds, calls, and violations with what they were."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

_SHOWN: Final = 20
_LONGEST: Final = 400


class Tally:
    """Counts one test. A violation ends neither the round nor the test: `conclude` fails it."""

    def __init__(self, name: str, rounds: int) -> None:
        self.name = name
        self.rounds = rounds
        self._played = 0
        self._violations: list[str] = []
        self._started = time.monotonic()

    def check(self, holds: bool, otherwise: str) -> None:
        """Note a violation unless the invariant holds."""
        if not holds:
            self._violations.append(f"round {self._played}: {otherwise:.{_LONGEST}}")

    def equal(self, found: object, expected: object, what: str) -> None:
        """Note a violation unless both are equal."""
        self.check(found == expected, f"{what}: {found!r}, not {expected!r}")

    def played(self, number: int = 1) -> None:
        """So many more rounds are over."""
        self._played += number

    def conclude(self, calls: int, **more: object) -> None:
        """Print the line that bench/record_soak.py reads, and fail on any violation."""
        seconds = time.monotonic() - self._started
        found = len(self._violations)
        print(  # noqa: T201  the result of a soak
            f"{self.name}: rounds={self._played} calls={calls} violations={found}"
            f" seconds={seconds:.1f}",
            *(f"{name}={value}" for name, value in more.items()),
        )
        assert self._played == self.rounds
        assert not found, "\n".join(self._violations[:_SHOWN])


def listed(counted: Counter[str], between: str = ",", of: str = ":") -> str:
    """How many of which kind, in one word unless told otherwise."""
    return between.join(f"{kind}{of}{number}" for kind, number in sorted(counted.items())) or "none"
