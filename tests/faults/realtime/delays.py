"""Ways in which the answers on all lines are delayed: too much to know, or hardly."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from tests.faults.line import Line
from tests.faults.proxy import Proxy
from tests.faults.realtime.looker import MAX_AGE_S
from tests.faults.realtime.stage import Stage

Delay: TypeAlias = Callable[[Sequence[Proxy], Stage, random.Random], Awaitable[None]]
"""Verifiers are held to what they must say meanwhile; in the end the lines are clear."""

_STALE_S: Final = (0.3, 1.2)
_TOO_LATE_S: Final = MAX_AGE_S + 0.5
_STEP_S: Final = 0.4
_PATIENCE_S: Final = 8.0
"""To connect and to shake hands takes several answers, and slow handshakes are repeated."""


async def held(lines: Sequence[Proxy], stage: Stage, dice: random.Random) -> None:
    """Nothing arrives, and then all of it at once."""
    _turn(lines, Line.HELD)
    await stage.are_stale(time.monotonic(), dice.uniform(*_STALE_S))
    _turn(lines, Line.CLEAR)


async def in_bursts(lines: Sequence[Proxy], stage: Stage, dice: random.Random) -> None:
    """The answers of a second or two come at once, again and again."""
    for _ in range(3):
        _turn(lines, Line.HELD)
        await asyncio.sleep(dice.uniform(0.5, MAX_AGE_S))
        _turn(lines, Line.CLEAR)
        await asyncio.sleep(dice.uniform(0.0, 0.1))
    await held(lines, stage, dice)


async def growing(lines: Sequence[Proxy], stage: Stage, dice: random.Random) -> None:
    """Each answer is later than the one before."""
    delay_s = 0.0
    while delay_s < _TOO_LATE_S:
        delay_s += dice.uniform(0.1, _STEP_S)
        _turn(lines, Line.LATE, delay_s)
        await asyncio.sleep(_STEP_S)
    await stage.are_stale(time.monotonic(), dice.uniform(*_STALE_S))
    _turn(lines, Line.CLEAR)


async def late_from_the_start(lines: Sequence[Proxy], stage: Stage, dice: random.Random) -> None:
    """All answers on a connection are as late, so that no other delay was ever seen on it."""
    delay_s = dice.uniform(0.4, 0.9)
    _turn(lines, Line.LATE, delay_s)
    for line in lines:
        line.cut()
    await asyncio.sleep(MAX_AGE_S)  # now they are stale, or have heard of it by another connection
    await stage.come_round(_PATIENCE_S)
    await asyncio.sleep(MAX_AGE_S)
    _turn(lines, Line.CLEAR)


DELAYS: Final[tuple[Delay, ...]] = (held, growing, late_from_the_start, in_bursts)


def _turn(lines: Sequence[Proxy], state: Line, delay_s: float = 0.0) -> None:
    for line in lines:
        line.delay_s = delay_s
        line.turn(state)
