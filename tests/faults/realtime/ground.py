"""What the tests of this directory stand on."""

from __future__ import annotations

import functools
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from tests.faults.arena import Arena, open_arena
from tests.faults.one_node import NodeStore, OneNode
from tests.faults.realtime.findings import Findings
from tests.faults.realtime.stage import Place, Stage, open_stage
from tests.faults.tally import Tally

SETTINGS: Final = {"key_publish_time": "10m"}
"""Of servers: the keys that they give may be kept for longer than a round takes."""

Scene: TypeAlias = Callable[[Arena[NodeStore], Stage, random.Random], Awaitable[float]]
"""What happens in a round; when all was well again."""


async def play(tally: Tally, *scenes: Scene) -> None:
    """Play the scenes in turn; after each everybody has to know all."""
    plan = OneNode()
    outage_s = 0.0
    async with open_arena(plan, **SETTINGS) as arena, open_stage(place_of(arena)) as stage:
        for played in range(tally.rounds):
            dice = random.Random(f"{tally.name} {played}")
            scene = functools.partial(scenes[played % len(scenes)], arena, stage, dice)
            outage_s = max(outage_s, await stage.all_know(await stage.act(scene, str(played))))
            settle(stage.findings, tally)
            tally.played()
    conclude(tally, stage.findings, outage=f"{outage_s:.2f}")


def place_of(arena: Arena[NodeStore]) -> Place:
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
    tally.conclude(findings.looks, **more, latest=f"{max(findings.latest_s, 0.0):.2f}")
