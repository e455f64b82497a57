"""What verifiers hear of while the engine, or every server, is stopped (SIGSTOP)."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import signal
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import pytest

from tests.engines import require_engine
from tests.faults.arena import Arena, Plan, open_arena
from tests.faults.realtime.ground import SETTINGS, conclude, place_of, settle
from tests.faults.realtime.stage import Stage, open_stage
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

_BEFORE_S: Final = (0.2, 0.6)
_STALE_S: Final = (0.1, 0.6)
_STOPS_WITHIN_S: Final = 0.05
"""A process on another processor may go on for a moment."""

Pids: TypeAlias = Callable[[Arena], Iterable[int | None]]


async def test_a_hanging_engine_makes_every_verifier_stale(tally: Tally) -> None:
    """The servers answer, and send no checkpoint."""
    await _play(tally, lambda arena: [arena.engine.pid])


async def test_hanging_servers_make_every_verifier_stale(tally: Tally) -> None:
    """Their connections stay open, and nothing comes."""
    await _play(tally, lambda arena: [server.pid for server in arena.servers])


async def _play(tally: Tally, pids: Pids) -> None:
    require_engine("valkey")
    outage_s = 0.0
    async with open_arena(Plan(), **SETTINGS) as arena, open_stage(place_of(arena)) as stage:
        for played in range(tally.rounds):
            dice = random.Random(f"{tally.name} {played}")
            scene = functools.partial(_hanging, arena, stage, pids, dice)
            outage_s = max(outage_s, await stage.all_know(await stage.act(scene, str(played))))
            settle(stage.findings, tally)
            tally.played()
    conclude(tally, stage.findings, outage=f"{outage_s:.2f}")


async def _hanging(arena: Arena, stage: Stage, pids: Pids, dice: random.Random) -> float:
    """When they went on."""
    await asyncio.sleep(dice.uniform(*_BEFORE_S))
    stopped = [pid for pid in pids(arena) if pid]
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        stopped_s = time.monotonic() + _STOPS_WITHIN_S
        await stage.are_stale(stopped_s, dice.uniform(*_STALE_S))
        stage.heard_of_nothing_after(stopped_s)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    return time.monotonic()
