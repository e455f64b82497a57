"""What operators' calls and jobs cost at a million live sessions, and what callers feel of it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

import serving
from acts import Operator
from contender import SESSIOND
from directory import Directory, serve_directory
from engine import embedded
from load import Times
from paced import PER_S, PacedLoad
from results import record, table
from serving import Server
from sessiond.settings import Settings
from sessiond.store.embedded import EmbeddedEngine
from sessionstore import AsyncAdminClient
from stock import Stock, fill
from watching import LATENCY_MONITOR, Cost, cost_of

Act = Callable[[Operator], Awaitable[None]]

FEW: Final = 1_000
MANY: Final = 1_000_000
ENDED: Final = 100_000
"""In the store with the many live ones."""
_ROUNDS: Final = 6
_CALLS: Final = 50
"""Of a quick call in each round."""
_WARM_UP: Final = 10
_QUICK: Final[Mapping[str, Act]] = {
    "GetStats": Operator.stats,
    "ListRecentSessions": Operator.recent,
}
_ALONE: Final[Mapping[str, Act]] = {"orphans job, no directory": Operator.orphans}
_WITH_DIRECTORY: Final[Mapping[str, Act]] = {
    "nothing": Operator.rest,
    "ListUsers, first page": Operator.users,
    "stats job": Operator.survey,
    "orphans job": Operator.orphans,
    "PurgeSessions, preview of all": Operator.preview_purge,
    "PurgeSessions, the ended": Operator.purge,
    "AuditIndex": Operator.audit,
}


async def main(command: str) -> None:
    """Fill two engines, operate on them, and record."""
    async with AsyncExitStack() as stack:
        keys = stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-"))
        shared = serving.shared_settings(Path(keys))
        engines = [
            # A rewrite of the append-only file at a moment of its own would be measured too.
            await stack.enter_async_context(
                embedded(auto_aof_rewrite_percentage="0", **LATENCY_MONITOR)
            )
            for _ in range(2)
        ]
        few, many = await fill(engines[0], FEW), await fill(engines[1], MANY, ENDED)
        print(f"filled with {FEW:,} and {MANY:,} live sessions", flush=True)
        quick = await _quick_calls(shared, dict(zip(engines, (few, many), strict=True)))
        work = partial(_work, shared, engines[1], many)
        async with serve_directory() as directory:
            costs = await work(_WITH_DIRECTORY, directory) | await work(_ALONE)
    record("Operators' work", command, _report(quick, costs))


@asynccontextmanager
async def _operator(
    shared: Settings, engine: EmbeddedEngine, stock: Stock, directory: Directory | None = None
) -> AsyncIterator[tuple[Operator, Server]]:
    """An operator with a server of their own."""
    settings = {"user_directory": directory.address} if directory else {}
    with serving.start(SESSIOND, engine, shared, **settings) as server:
        async with AsyncAdminClient(server.address, token=server.token) as admin:
            yield Operator(admin, stock, directory), server


async def _quick_calls(
    shared: Settings, filled: Mapping[EmbeddedEngine, Stock]
) -> dict[str, list[Times]]:
    """Calls one after another, at each size; the sizes take turns."""
    async with AsyncExitStack() as stack:
        operators = [
            (await stack.enter_async_context(_operator(shared, engine, stock)))[0]
            for engine, stock in filled.items()
        ]
        found: dict[str, list[Times]] = {}
        for name, act in _QUICK.items():
            times = [Times(0.0, []) for _ in operators]
            for _ in range(_ROUNDS):
                for operator, so_far in zip(operators, times, strict=True):
                    await _call(act, operator, _WARM_UP)
                    so_far.latencies_ms.extend(await _call(act, operator, _CALLS))
            found[name] = times
        return found


async def _call(act: Act, operator: Operator, calls: int) -> list[float]:
    """How long each call took, in milliseconds."""
    latencies = []
    for _ in range(calls):
        began = perf_counter()
        await act(operator)
        latencies.append((perf_counter() - began) * 1000)
    return latencies


async def _work(
    shared: Settings,
    engine: EmbeddedEngine,
    stock: Stock,
    acts: Mapping[str, Act],
    directory: Directory | None = None,
) -> dict[str, Cost]:
    """Long work, one after another, on one server under load."""
    costs = {}
    async with _operator(shared, engine, stock, directory) as (operator, server):
        with PacedLoad(server, stock.known) as load:
            for name, act in acts.items():
                costs[name] = await cost_of(act(operator), server, load)
                print(f"{name}: {costs[name].seconds:.1f} s", flush=True)
    return costs


def _report(quick: Mapping[str, Sequence[Times]], costs: Mapping[str, Cost]) -> list[str]:
    return [
        (
            f"{MANY:,} live sessions and {ENDED:,} ended ones, in an embedded engine that one"
            " sessiond serves. Every answer was checked, and the audit after the purge found no"
            f" drift. Aims: GetStats takes at most 50 ms more than with {FEW:,} sessions; audit,"
            " orphans job and purge take at most 10 s of engine CPU each, and bounded memory of the"
            " server."
        ),
        "",
        f"{_ROUNDS * _CALLS} calls each, one after another, on an idle server:",
        "",
        *table(
            (
                "call",
                f"median at {FEW:,}, ms",
                f"median at {MANY:,}, ms",
                f"p99 at {FEW:,}, ms",
                f"p99 at {MANY:,}, ms",
            ),
            (
                (name, *(f"{one.percentile(percent):.2f}" for percent in (50, 99) for one in times))
                for name, times in quick.items()
            ),
        ),
        "",
        (
            f"Work beside {PER_S} calls of ValidateSession in a second, whose CPU is in the"
            " figures; the first row is of those calls alone."
        ),
        "",
        *table(
            (
                "work",
                "duration, s",
                "engine CPU, s",
                "server CPU, s",
                "server memory before, MB",
                "peak above, MB",
                "longest command, ms",
                "Validate p50, ms",
                "Validate p99, ms",
            ),
            map(_row, costs, costs.values()),
        ),
    ]


def _row(name: str, cost: Cost) -> tuple[str, ...]:
    return (
        name,
        f"{cost.seconds:.1f}",
        f"{cost.engine_s:.1f}",
        f"{cost.server_s:.1f}",
        f"{cost.memory / 1e6:.1f}",
        f"{cost.grew / 1e6:.1f}",
        str(cost.stall_ms or "below 1"),
        f"{cost.validate.percentile(50):.1f}",
        f"{cost.validate.percentile(99):.1f}",
    )
