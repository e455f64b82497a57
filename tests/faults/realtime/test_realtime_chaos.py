"""Verifiers and watchers while lines, servers, engine and logs are struck."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import ExitStack
from typing import Final

import pytest

from tests.faults.arena import Arena, open_arena
from tests.faults.chaos import hear_servers
from tests.faults.one_node import NodeStore, OneNode
from tests.faults.realtime.ground import SETTINGS, conclude, place_of, settle
from tests.faults.realtime.stage import Stage, open_stage
from tests.faults.realtime.strikes import STRIKES
from tests.faults.strikes import Scene, Strike
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

PLAN: Final = OneNode(appendfsync="always")
_BEFORE_S: Final = (0.2, 0.6)
_LASTS_S: Final = (0.1, 3.5)
"""Shorter and longer than verifiers may lag behind."""
_LEAST_ENDED: Final = 5


async def test_no_revoked_token_is_taken_while_anything_fails(tally: Tally) -> None:
    """None later than its bound, and none at all of which the service was asked; nobody who
    watches misses an event without being told so, and everybody knows all soon after."""
    void = played = 0
    outage_s = 0.0
    async with open_arena(PLAN, **SETTINGS) as arena, open_stage(place_of(arena)) as stage:
        while played < tally.rounds:
            strike, seed = STRIKES[played % len(STRIKES)], f"{tally.name} {played} {void}"
            counts, took_s = await _round(arena, stage, strike, random.Random(seed))
            outage_s = max(outage_s, took_s)
            settle(stage.findings, tally)
            if counts:
                played += 1
                tally.played()
            else:
                void += 1
            assert void <= 2 + tally.rounds // 5, "too many rounds are void"
        hear_servers(arena, tally)
    conclude(tally, stage.findings, void=void, outage=f"{outage_s:.2f}")


async def _round(
    arena: Arena[NodeStore], stage: Stage, strike: Strike[NodeStore], dice: random.Random
) -> tuple[bool, float]:
    """Whether the round shows anything, and how long it took until everybody knew all after it."""

    async def nobody(_: int) -> None:
        """No more users than there are."""

    async def struck() -> tuple[int, float]:
        await asyncio.sleep(dice.uniform(*_BEFORE_S))
        scene = Scene(arena, dice, nobody, aftermath, _LASTS_S)
        times, _ = await asyncio.gather(
            strike(scene), stage.renew(dice.randrange(len(stage.lookers)))
        )
        await arena.heals()
        return times, time.monotonic()

    with ExitStack() as aftermath:
        times, healed_s = await stage.act(struck, str(dice.random()))
        took_s = await stage.all_know(healed_s)
        return times > 0 and len(list(stage.ledger.left)) >= _LEAST_ENDED, took_s
