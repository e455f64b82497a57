"""What a verifier says of its age while answers come late, are kept back, or come all at once."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import pytest

from tests.faults.arena import Arena
from tests.faults.line import Line
from tests.faults.proxy import Proxy
from tests.faults.realtime.ground import play
from tests.faults.realtime.looker import MAX_AGE_S
from tests.faults.realtime.stage import Stage
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

_BEFORE_S: Final = (0.2, 0.6)
_STALE_S: Final = (0.3, 1.2)
"""How long verifiers have to be stale."""
_LATE_S: Final = MAX_AGE_S + 0.5
_STEP_S: Final = 0.4

Delay: TypeAlias = Callable[[Sequence[Proxy], random.Random], Awaitable[None]]
"""Delays the answers on all lines, for good: what is sent after it arrives too late, or not."""


async def held(lines: Sequence[Proxy], _: random.Random) -> None:
    """Nothing arrives."""
    _turn(lines, Line.HELD)


async def in_bursts(lines: Sequence[Proxy], dice: random.Random) -> None:
    """The answers of a second or two come at once, again and again."""
    for _ in range(3):
        _turn(lines, Line.HELD)
        await asyncio.sleep(dice.uniform(0.5, MAX_AGE_S))
        _turn(lines, Line.CLEAR)
        await asyncio.sleep(dice.uniform(0.0, 0.1))
    _turn(lines, Line.HELD)


async def growing(lines: Sequence[Proxy], dice: random.Random) -> None:
    """Each answer is later than the one before."""
    delay_s = 0.0
    while delay_s < _LATE_S:
        delay_s += dice.uniform(0.1, _STEP_S)
        _turn(lines, Line.LATE, delay_s)
        await asyncio.sleep(_STEP_S)


async def late_from_the_start(lines: Sequence[Proxy], _: random.Random) -> None:
    """All answers are late by as much, from the handshake of a new connection on."""
    _turn(lines, Line.LATE, _LATE_S)
    for line in lines:
        line.cut()


async def test_late_answers_make_no_verifier_feel_young(tally: Tally) -> None:
    """Its age is never understated; it is stale in time, and refuses or asks; and it is young again
    once the line is good."""
    await play(
        tally,
        *(
            functools.partial(_delayed, delay)
            for delay in (held, growing, late_from_the_start, in_bursts)
        ),
    )


async def _delayed(delay: Delay, arena: Arena, stage: Stage, dice: random.Random) -> float:
    """When the lines were good again."""
    await asyncio.sleep(dice.uniform(*_BEFORE_S))
    await delay(arena.client_lines, dice)
    await stage.are_stale(time.monotonic(), dice.uniform(*_STALE_S))
    _turn(arena.client_lines, Line.CLEAR)
    return time.monotonic()


def _turn(lines: Sequence[Proxy], state: Line, delay_s: float = 0.0) -> None:
    for line in lines:
        line.delay_s = delay_s
        line.turn(state)
