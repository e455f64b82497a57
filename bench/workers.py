"""What a call costs where one process serves alone, and where workers do for a supervisor."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import serving
from engine import embedded
from ground import Ground, ground_on
from load import IN_FLIGHT
from measuring import ROUNDS, Contender, Run, alternate, client_name, ratio
from operations import ONE, Operation
from results import record, table
from serving import Server, cpu_s_of

_LIVE: Final = 3_000
_SPREAD: Final = 4
_OPERATIONS: Final = (
    replace(ONE, calls=3000),
    Operation("Create", Ground.create, 1500),
    Operation("Refresh", Ground.refresh, 1500),
)


async def main(command: str) -> None:
    """Measure and record."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-"))
        shared = serving.shared_settings(Path(directory))
        engine = await stack.enter_async_context(embedded(auto_aof_rewrite_percentage="0"))
        ground = await stack.enter_async_context(ground_on(engine, shared))
        await ground.fill(_LIVE)
        servers = [
            stack.enter_context(serving.start_processes(workers, engine, shared, _SPREAD))
            for workers in _WORKERS
        ]
        rows = []
        for operation in _OPERATIONS:
            before = [_of_workers(server) for server in servers]
            contenders = [Contender(server, ground) for server in servers]
            runs = await alternate(operation, contenders, ROUNDS)
            shares = [
                _busiest(server, spent) for server, spent in zip(servers, before, strict=True)
            ]
            rows += [
                _row(operation.name, label, each, runs[0], share)
                for label, each, share in zip(_LABELS, runs, shares, strict=True)
            ]
            print(f"{operation.name}: {runs}", flush=True)
        memory = _memory(servers[-1])
    record("Workers", command, [_ABOUT, "", *table(_HEADER, rows), "", memory])


_WORKERS: Final = (0, 1, 2)
_LABELS: Final = ("a process alone", "1 worker", "2 workers")
_HEADER: Final = (
    "call",
    "served by",
    "server CPU, us",
    "over alone",
    "busiest worker",
    "engine CPU, us",
    "calls/s",
    "p50, ms",
    "p99, ms",
)
_ABOUT: Final = (
    f"{IN_FLIGHT} calls in flight over {2 * _SPREAD} connections or more; medians of {ROUNDS}"
    " rounds, in which the servers take turns; ratios are within a round. Server CPU is that of all"
    " its processes, the supervisor's included. Busiest worker: its share of the CPU of all."
    f" {client_name()} Load, servers and engine share the machine, so calls/s and latencies tell"
    " nothing of what workers have to give where there are cores for them."
)


def _of_workers(server: Server) -> list[float]:
    return [cpu_s_of(pid) for pid in server.workers]


def _busiest(server: Server, before: list[float]) -> str:
    spent = [now - then for now, then in zip(_of_workers(server), before, strict=True)]
    return f"{max(spent) / sum(spent):.0%}" if spent else ""


def _row(
    operation: str, label: str, runs: list[Run], alone: list[Run], share: str
) -> tuple[str, ...]:
    run = Run.median_of(runs)
    return (
        operation,
        label,
        f"{run.server_us:,.0f}",
        f"{ratio(runs, alone):.2f}",
        share,
        f"{run.engine_us:,.0f}",
        f"{run.per_s:,.0f}",
        f"{run.p50_ms:,.1f}",
        f"{run.p99_ms:,.1f}",
    )


def _memory(server: Server) -> str:
    """What the processes of a server hold."""
    mib = 1 << 20
    workers = ", ".join(
        f"{replace(server, pid=pid).memory() / mib:.0f} MiB" for pid in server.workers
    )
    return (
        f"Resident memory after this: the supervisor {server.memory() / mib:.0f} MiB, its workers"
        f" {workers}; gRPC, Python and its modules are a part that processes share."
    )
