"""What a call costs: ours, the same server over a redis-py pool, and a no-op RPC."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import serving
from charts import draw_calls
from contender import DEFAULT_POOL, NO_OP, POOLED, SESSIOND
from engine import embedded
from ground import ground_on
from load import IN_FLIGHT
from measuring import ROUNDS, Contender, Run, alternate, client_name, ratio
from operations import BESIDE_THE_BASELINE, ONE, Operation
from results import record, table

_LIVE: Final = 3_000


async def main(command: str) -> None:
    """Measure, draw and record."""
    found: dict[Operation, dict[str, list[Run]]] = {}
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-"))
        shared = serving.shared_settings(Path(directory))
        engine = await stack.enter_async_context(embedded(auto_aof_rewrite_percentage="0"))
        ground = await stack.enter_async_context(ground_on(engine, shared))
        await ground.fill(_LIVE)
        servers = {
            kind: stack.enter_context(serving.start(kind, engine, shared))
            for kind in (SESSIOND, POOLED, DEFAULT_POOL, NO_OP)
        }
        for operation in BESIDE_THE_BASELINE:
            kinds = [SESSIOND, POOLED, *([DEFAULT_POOL, NO_OP] if operation is ONE else [])]
            contenders = [Contender(servers[kind], ground) for kind in kinds]
            runs = await alternate(operation, contenders, ROUNDS)
            found[operation] = dict(zip(kinds, runs, strict=True))
            print(f"{operation.name}: {found[operation]}", flush=True)
    draw_calls(
        [operation.name for operation in found],
        {
            label: [
                Run.median_of(runs[kind]).server_us / operation.scripts
                for operation, runs in found.items()
            ]
            for kind, label in ((SESSIOND, "sessiond"), (POOLED, "the same over a redis-py pool"))
        },
        Run.median_of(found[ONE][NO_OP]).server_us,
    )
    record("Cost of a call", command, _report(found))


def _report(found: dict[Operation, dict[str, list[Run]]]) -> list[str]:
    one = found[ONE]
    no_op = Run.median_of(one[NO_OP])
    return [
        _ABOUT,
        "",
        "![server CPU per call](cpu.png)",
        "",
        *table(_HEADER, [_no_op_row(no_op), *map(_row, found, found.values())]),
        "",
        *table(
            ("", "reached", "aim"),
            (
                (
                    "Validate by session id, server CPU over that of the no-op",
                    f"{ratio(one[SESSIOND], one[NO_OP]):.2f}",
                    "1.25 at most",
                ),
                (
                    "Validate by session id, the baseline's server CPU over ours",
                    f"{ratio(one[POOLED], one[SESSIOND]):.2f}",
                    "1.30 at least",
                ),
                (
                    "the same with redis-py's default pool",
                    f"{ratio(one[DEFAULT_POOL], one[SESSIOND]):.2f}",
                    "",
                ),
            ),
        ),
        "",
        _HELD_BACK,
    ]


_HEADER: Final = (
    "call",
    "server CPU, us",
    "baseline CPU, us",
    "baseline / ours",
    "engine CPU, us",
    "scripts",
    "engine reads",
    "calls/s",
    "baseline calls/s",
    "p50, ms",
    "baseline p50",
    "p99, ms",
    "baseline p99",
)
_ABOUT: Final = (
    f"{IN_FLIGHT} calls in flight; medians of {ROUNDS} rounds, in which the contenders take turns;"
    " ratios are within a round. Baseline: the same server over a redis-py pool, an EVALSHA a call."
    " No-op: the same server, authentication and validation of a ValidateSessionRequest, and a"
    f" constant answer. {client_name()} Load and servers share the machine: throughput and latency"
    " are those of both. Engine reads: how often the engine read from its connections, a call; each"
    " round trip needs one, and several calls may share it. A batch is a hundred calls of the"
    " baseline's pool. Python processes check every answer; of h2load's, all have to have exactly"
    " the bytes of a checked one."
)
_HELD_BACK: Final = (
    "What holds it back: gRPC takes most of what a validation takes, from the no-op and from the"
    " baseline too. And it hands over one event in each turn of the event loop, so that a call"
    " seldom finds another to share its write and its read with (engine reads): these, and the"
    " wake-ups around them, are most of what a validation costs beyond the no-op."
)


def _no_op_row(run: Run) -> tuple[str, ...]:
    engine = (f"{run.engine_us:,.0f}", "0", f"{run.reads:.2f}")
    times = (f"{run.per_s:,.0f}", "", f"{run.p50_ms:.1f}", "", f"{run.p99_ms:.1f}", "")
    return ("No-op", f"{run.server_us:.0f}", "", "", *engine, *times)


def _row(operation: Operation, runs: dict[str, list[Run]]) -> tuple[str, ...]:
    ours, pooled = Run.median_of(runs[SESSIOND]), Run.median_of(runs[POOLED])
    return (
        operation.name,
        f"{ours.server_us:,.0f}",
        f"{pooled.server_us:,.0f}",
        f"{ratio(runs[POOLED], runs[SESSIOND]):.2f}",
        f"{ours.engine_us:,.0f}",
        str(operation.scripts),
        f"{ours.reads:.2f}",
        f"{ours.per_s:,.0f}",
        f"{pooled.per_s:,.0f}",
        f"{ours.p50_ms:,.1f}",
        f"{pooled.p50_ms:,.1f}",
        f"{ours.p99_ms:,.1f}",
        f"{pooled.p99_ms:,.1f}",
    )
