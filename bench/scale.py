"""What a call costs with a thousand, a hundred thousand and a million live sessions."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import serving
from charts import draw_scale
from contender import SESSIOND
from engine import client_of, embedded, used_memory
from ground import ground_on
from load import IN_FLIGHT
from measuring import ROUNDS, Contender, Run, alternate, engine_ratio, ratio
from operations import BY_SIZE, Operation
from results import record, table
from sessiond.settings import Settings

SIZES: Final = (1_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Filled:
    """How a store was filled."""

    size: int
    per_s: float
    bytes_used: int


async def main(command: str) -> None:
    """Fill three engines, measure on them in turn, draw and record."""
    found: dict[Operation, list[list[Run]]] = {}
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-"))
        shared = serving.shared_settings(Path(directory))
        contenders, fills = [], []
        for size in SIZES:
            contender, filled = await _filled(stack, shared, size)
            contenders.append(contender)
            fills.append(filled)
            print(f"{filled}", flush=True)
        for operation in BY_SIZE:
            found[operation] = await alternate(operation, contenders, ROUNDS)
            print(f"{operation.name}: {found[operation]}", flush=True)
    draw_scale(
        SIZES,
        {
            "server CPU per call, microseconds": _lines(found, lambda run: run.server_us),
            "engine CPU per call, microseconds": _lines(found, lambda run: run.engine_us),
        },
    )
    record("Cost by number of sessions", command, _report(fills, found))


async def _filled(stack: AsyncExitStack, shared: Settings, size: int) -> tuple[Contender, Filled]:
    """A sessiond on an engine of its own with so many live sessions."""
    # A rewrite of the append-only file at a moment of its own would be measured too.
    engine = await stack.enter_async_context(embedded(auto_aof_rewrite_percentage="0"))
    ground = await stack.enter_async_context(ground_on(engine, shared))
    redis = client_of(engine)
    empty, started = used_memory(redis), time.monotonic()
    await ground.fill(size)
    per_s = size / (time.monotonic() - started)
    filled = Filled(size, per_s, used_memory(redis) - empty)
    server = stack.enter_context(serving.start(SESSIOND, engine, shared))
    return Contender(server, ground), filled


def _lines(
    found: dict[Operation, list[list[Run]]], figure: Callable[[Run], float]
) -> dict[str, Sequence[float]]:
    """A figure by operation, at each size; that of a batch is divided by its length."""
    return {
        operation.name.replace("of 100", "per session"): [
            figure(Run.median_of(runs)) / operation.scripts for runs in by_size
        ]
        for operation, by_size in found.items()
    }


def _report(fills: Sequence[Filled], found: dict[Operation, list[list[Run]]]) -> list[str]:
    return [
        (
            f"{IN_FLIGHT} calls in flight, over sessions from all of the store; medians of {ROUNDS}"
            " rounds, in which the sizes take turns; ratios are within a round. Sessions that a run"
            " needs for itself come on top, and are ended after it: ended ones stay. Load by Python"
            " processes. Every answer was checked. Aims: server CPU within 10 %, engine CPU within"
            " 2 times."
        ),
        "",
        "![CPU per call by number of sessions](scale.png)",
        "",
        *table(
            ("live sessions", "filled at, sessions/s", "engine memory, MB", "with log, B/session"),
            (
                (
                    f"{filled.size:,}",
                    f"{filled.per_s:,.0f}",
                    f"{filled.bytes_used / 1e6:,.1f}",
                    f"{filled.bytes_used / filled.size:,.0f}",
                )
                for filled in fills
            ),
        ),
        "",
        *table(
            (
                "call",
                *(f"server CPU at {size:,}, us" for size in SIZES),
                f"{SIZES[-1]:,} / {SIZES[0]:,}",
                *(f"engine CPU at {size:,}, us" for size in SIZES),
                f"{SIZES[-1]:,} / {SIZES[0]:,}",
            ),
            map(_row, found, found.values()),
        ),
    ]


def _row(operation: Operation, by_size: Sequence[Sequence[Run]]) -> tuple[str, ...]:
    medians = [Run.median_of(runs) for runs in by_size]
    return (
        operation.name,
        *(f"{run.server_us:,.0f}" for run in medians),
        f"{ratio(by_size[-1], by_size[0]):.2f}",
        *(f"{run.engine_us:,.0f}" for run in medians),
        f"{engine_ratio(by_size[-1], by_size[0]):.2f}",
    )
