"""What looking at verifiers and watchers comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from tests.faults.checker import Violation


@dataclass(slots=True)
class Findings:
    """Violations, and how near to one it came."""

    violations: list[Violation] = field(default_factory=list)
    looks: int = 0
    """How often a token was shown to a verifier."""
    unknowing: int = 0
    """How often one said that it cannot know."""
    latest_s: float = -inf
    """How long after the acknowledged end of its session a token was still taken, at most."""
    gaps: int = 0
    """How often a watcher was told that it has missed something."""

    def broken(self, invariant: str, what: str) -> None:
        """Note that an invariant did not hold."""
        self.violations.append(Violation(invariant, what))
