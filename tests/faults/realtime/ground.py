"""What the tests of this directory stand on."""

from __future__ import annotations

from typing import Final

from tests.faults.arena import Arena
from tests.faults.realtime.findings import Findings
from tests.faults.realtime.stage import Place
from tests.faults.tally import Tally

SETTINGS: Final = {"key_publish_time": "10m"}
"""Of servers: the keys that they give may be kept for longer than a round takes."""


def place_of(arena: Arena) -> Place:
    """Where its servers are."""
    return Place(arena.token, [server.address for server in arena.servers], arena.addresses)


def settle(findings: Findings, tally: Tally) -> None:
    """Hand over the violations of a round."""
    for violation in findings.violations:
        tally.check(False, str(violation))
    findings.violations.clear()


def conclude(tally: Tally, findings: Findings, **more: object) -> None:
    """Tell what came of it, and fail on any violation."""
    print(  # noqa: T201  the result of a soak
        f"looks={findings.looks} in_vain={findings.unknowing} gaps={findings.gaps}"
    )
    tally.conclude(findings.looks, **more, latest=f"{findings.latest_s:.2f}")
