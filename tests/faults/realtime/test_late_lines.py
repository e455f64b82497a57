"""What a verifier says of its age while answers come late, are kept back, or come all at once."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from typing import Final

import pytest

from tests.faults.arena import Arena
from tests.faults.one_node import NodeStore
from tests.faults.realtime.delays import DELAYS, Delay
from tests.faults.realtime.ground import play
from tests.faults.realtime.stage import Stage
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

_BEFORE_S: Final = (0.2, 0.6)


async def test_late_answers_make_no_verifier_feel_young(tally: Tally) -> None:
    """Its age is never understated; it is stale in time, and refuses or asks; and it is young again
    once the line is good."""
    await play(tally, *(functools.partial(_delayed, delay) for delay in DELAYS))


async def _delayed(
    delay: Delay, arena: Arena[NodeStore], stage: Stage, dice: random.Random
) -> float:
    """When the lines were good again."""
    await asyncio.sleep(dice.uniform(*_BEFORE_S))
    await delay(arena.client_lines, stage, dice)
    return time.monotonic()
