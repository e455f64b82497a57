"""Connections of which one direction is dead, and which nobody ends."""

from __future__ import annotations

import asyncio
import functools
import random
import re
import time
from collections.abc import Iterator
from typing import Final
from unittest import mock

import pytest

from sessionstore import _channel
from tests.faults.arena import Arena
from tests.faults.line import Line
from tests.faults.one_node import NodeStore
from tests.faults.realtime.ground import play
from tests.faults.realtime.stage import Stage
from tests.faults.tally import Tally

pytestmark = pytest.mark.soak

_PINGS: Final = re.compile(r"grpc\.(keepalive_time|keepalive_timeout|http2\.ping_timeout)_ms")
_SCALE: Final = 20
"""Clients find out in the same way as ever, in so much less time."""
_BEFORE_S: Final = (0.2, 0.6)
_LASTS_S: Final = (0.2, 2.5)
_BAD: Final = (Line.MUTE, Line.DEAF, Line.SILENT)


@pytest.fixture
def hasty() -> Iterator[None]:
    """Clients that look after their connections more often."""
    options = tuple(
        (name, int(value) // _SCALE if _PINGS.fullmatch(name) else value)
        for name, value in _channel._OPTIONS
    )
    with mock.patch.object(_channel, "_OPTIONS", options):
        yield


@pytest.mark.usefixtures("hasty")
async def test_a_half_open_connection_is_found_out(tally: Tally) -> None:
    """What was lost is heard of over another one, though no one ended the first."""
    await play(tally, *(functools.partial(_half_open, bad) for bad in _BAD))


async def _half_open(bad: Line, arena: Arena[NodeStore], _: Stage, dice: random.Random) -> float:
    """When new connections were good again; the old ones never are."""
    await asyncio.sleep(dice.uniform(*_BEFORE_S))
    for line in arena.client_lines:
        line.turn(bad)
    await asyncio.sleep(dice.uniform(*_LASTS_S))
    for line in arena.client_lines:
        line.turn(Line.CLEAR)
    return time.monotonic()
