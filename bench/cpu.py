"""What a call costs: ours, the same server over a redis-py pool, and a no-op RPC."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Final

import h2load
import serving
from charts import draw_bars
from contender import NO_OP, POOLED, SESSIOND
from engine import embedded
from ground import Ground, ground_on
from measuring import Run, measure
from operations import BESIDE_THE_BASELINE, ONE, Operation
from results import record, table
from serving import Server

ROUNDS: Final = 5
_LIVE: Final = 3_000
_WARM_UP: Final = 4
"""The run before the first round makes a call of four."""

Runs = dict[str, list[Run]]
"""By contender, one a round."""


async def alternate(
    operation: Operation, contenders: Sequence[tuple[Server, Ground]], rounds: int
) -> dict[Server, list[Run]]:
    """Runs of each contender in turn, after one each that does not count."""
    runs: dict[Server, list[Run]] = {server: [] for server, _ in contenders}
    for number in range(rounds + 1):
        calls = operation.calls if number else operation.calls // _WARM_UP
        # Each is as often first as last: the machine's speed drifts.
        for server, ground in contenders if number % 2 else reversed(contenders):
            load = await operation.make(ground, calls)
            run = await measure(server, load, 0 if server.kind == NO_OP else operation.scripts)
            await ground.tidy()
            if number:
                runs[server].append(run)
    return runs


def ratio(over: Sequence[Run], under: Sequence[Run]) -> float:
    """The median over the rounds of how server CPU compares within a round."""
    return median(a.server_us / b.server_us for a, b in zip(over, under, strict=True))
