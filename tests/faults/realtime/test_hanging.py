"""What verifiers hear of while the engine, or every server, is stopped (SIGSTOP)."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterable
from typing import Final

import pytest

from tests.faults.arena import Arena
from tests.faults.one_node import NodeStore
from tests.faults.realtime.ground import play
from tests.faults.realtime.stage import Stage
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

_BEFORE_S: Final = (0.2, 0.6)
_STALE_S: Final = (0.1, 0.6)


async def test_a_hanging_engine_makes_every_verifier_stale(tally: Tally) -> None:
    """The servers answer, and send no checkpoint."""

    async def hangs(arena: Arena[NodeStore], stage: Stage, dice: random.Random) -> float:
        return await _stopped([arena.store.engine.pid], stage, dice)

    await play(tally, hangs)


async def test_hanging_servers_make_every_verifier_stale(tally: Tally) -> None:
    """Their connections stay open, and nothing comes."""

    async def hang(arena: Arena[NodeStore], stage: Stage, dice: random.Random) -> float:
        return await _stopped([server.pid for server in arena.servers], stage, dice)

    await play(tally, hang)


async def _stopped(pids: Iterable[int | None], stage: Stage, dice: random.Random) -> float:
    """When they went on."""
    await asyncio.sleep(dice.uniform(*_BEFORE_S))
    running = [pid for pid in pids if pid]
    try:
        for pid in running:
            os.kill(pid, signal.SIGSTOP)
        await stage.hear_nothing(dice.uniform(*_STALE_S))
    finally:
        for pid in running:
            os.kill(pid, signal.SIGCONT)
    return time.monotonic()
