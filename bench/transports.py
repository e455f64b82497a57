"""What a call costs over each transport: grpcio and pygrpc-native, beside the plain baseline."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import serving
from contender import NATIVE, NATIVE_NO_OP, NO_OP, POOLED, SESSIOND
from engine import embedded
from ground import ground_on
from load import IN_FLIGHT
from measuring import ROUNDS, Contender, Run, alternate, client_name, ratio
from operations import BATCH, ONE, REFRESH
from results import record, table

_LIVE: Final = 3_000
_LABELS: Final = {POOLED: "baseline", SESSIOND: "grpc", NATIVE: "native"}
_AIM: Final = "6 at least"
_AT_REST: Final = {"reaper_interval": "0s", "stats_schedule": "", "orphans_schedule": ""}
"""What five servers do by themselves runs scripts that would be taken for those of calls."""
_ABOUT: Final = (
    f"{IN_FLIGHT} calls in flight; medians of {ROUNDS} rounds, in which the contenders take turns;"
    " ratios are within a round. Baseline: the same server by grpcio over a redis-py pool, an"
    " EVALSHA a call. No-op: authentication and validation of a ValidateSessionRequest, and a"
    f" constant answer. {client_name()} Load and servers share the machine: throughput and latency"
    " are those of both. The CPU of native is that of its own threads too."
)


async def main(command: str) -> None:
    """Measure and record."""
    found: dict[str, dict[str, list[Run]]] = {}
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-"))
        shared = serving.shared_settings(Path(directory))
        engine = await stack.enter_async_context(embedded(auto_aof_rewrite_percentage="0"))
        ground = await stack.enter_async_context(ground_on(engine, shared))
        await ground.fill(_LIVE)

        def start(kind: str) -> Contender:
            transport = "native" if kind in (NATIVE, NATIVE_NO_OP) else "grpc"
            server = serving.start(kind, engine, shared, transport=transport, **_AT_REST)
            return Contender(stack.enter_context(server), ground)

        idle = [start(kind) for kind in (NO_OP, NATIVE_NO_OP)]
        busy = [start(kind) for kind in _LABELS]
        runs = await alternate(ONE, idle, ROUNDS)
        found["No-op"] = dict(zip((SESSIOND, NATIVE), runs, strict=True))
        for operation in (ONE, REFRESH, BATCH):
            runs = await alternate(operation, busy, ROUNDS)
            found[operation.name] = dict(zip(_LABELS, runs, strict=True))
            print(f"{operation.name}: {found[operation.name]}", flush=True)
    record("Transports", command, _report(found))


def _report(found: dict[str, dict[str, list[Run]]]) -> list[str]:
    one = found[ONE.name]
    return [
        _ABOUT,
        "",
        *table(_HEADER, [_row(name, runs) for name, runs in found.items()]),
        "",
        *table(
            ("", "reached", "aim"),
            (
                (
                    "Validate by session id, the baseline's server CPU over native's",
                    f"{ratio(one[POOLED], one[NATIVE]):.2f}",
                    _AIM,
                ),
                (
                    "the same, grpc's over native's",
                    f"{ratio(one[SESSIOND], one[NATIVE]):.2f}",
                    "",
                ),
            ),
        ),
    ]


_HEADER: Final = (
    "call",
    *(f"{label} CPU, us" for label in _LABELS.values()),
    "baseline / native",
    "grpc / native",
    *(f"{label} calls/s" for label in _LABELS.values()),
    *(f"{label} p99, ms" for label in _LABELS.values()),
)


def _row(name: str, runs: dict[str, list[Run]]) -> tuple[str, ...]:
    medians = {kind: Run.median_of(runs[kind]) for kind in _LABELS if kind in runs}

    def over_native(kind: str) -> str:
        return f"{ratio(runs[kind], runs[NATIVE]):.2f}" if kind in runs else ""

    return (
        name,
        *(f"{medians[kind].server_us:,.0f}" if kind in medians else "" for kind in _LABELS),
        over_native(POOLED),
        over_native(SESSIOND),
        *(f"{medians[kind].per_s:,.0f}" if kind in medians else "" for kind in _LABELS),
        *(f"{medians[kind].p99_ms:,.1f}" if kind in medians else "" for kind in _LABELS),
    )
