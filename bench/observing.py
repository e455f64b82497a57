"""What it costs that calls are counted and traced: the CPU of a Validate, with and without."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Final, cast

import serving
from answers import WrongAnswerError
from contender import SESSIOND, TRACED, UNCOUNTED
from engine import embedded
from ground import ground_on
from load import IN_FLIGHT
from measuring import ROUNDS, Contender, Run, alternate, client_name, ratio
from operations import ONE
from results import record, table
from serving import Server
from sessiond.domain.callers import Role
from sessiond.rpc.call import Call, Context, Method
from sessiond.rpc.interceptors.call_figures import CallFigures
from sessiond.store.figures import LinkFigures
from sink import Sink

_LIVE: Final = 3_000
_SOME: Final = "0.01"
"""The default of SESSIOND_TRACE_RATIO."""
_ALONE: Final = (
    "In a loop of its own, what counts a call and its command takes {us:.1f} us of CPU, {share:.1%}"
    " of the call. Aim: 5 % at most. What is more or less than that in the table is one process"
    " against another, on a machine that others use too."
)
_LOOPS: Final = 100_000
_ABOUT: Final = (
    f"Validate by session id, {IN_FLIGHT} calls in flight; medians of {ROUNDS} rounds, in which the"
    " contenders take turns; ratios are within a round. Not counted: the same server, without what"
    " counts and times its calls and commands. A traced call is two spans, sent to a collector that"
    f" looks at none; what sends them is in the server's CPU. {client_name()}"
)


async def main(command: str) -> None:
    """Measure and record."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-"))
        shared = serving.shared_settings(Path(directory))
        engine = await stack.enter_async_context(embedded(auto_aof_rewrite_percentage="0"))
        ground = await stack.enter_async_context(ground_on(engine, shared))
        await ground.fill(_LIVE)
        sink = stack.enter_context(Sink())

        def start(kind: str, **settings: str) -> Server:
            return stack.enter_context(serving.start(kind, engine, shared, **settings))

        traces = {"otlp_endpoint": sink.endpoint}
        servers = {
            "not counted": start(UNCOUNTED),
            "counted": start(SESSIOND),
            "counted, a hundredth traced": start(TRACED, trace_ratio=_SOME, **traces),
            "counted, all traced": start(TRACED, trace_ratio="1", **traces),
        }
        contenders = [Contender(server, ground) for server in servers.values()]
        runs = await alternate(ONE, contenders, ROUNDS)
        if not sink.batches():
            raise WrongAnswerError("no span came to the collector")
    report = await asyncio.to_thread(_report, dict(zip(servers, runs, strict=True)))
    record("Cost of observing", command, report)


def _report(found: dict[str, list[Run]]) -> list[str]:
    counted = found["counted"]
    rows = []
    for name, runs in found.items():
        run = Run.median_of(runs)
        rows.append(
            (
                name,
                f"{run.server_us:.0f}",
                f"{ratio(runs, counted):.3f}",
                _range(runs, counted),
                f"{run.per_s:,.0f}",
                f"{run.p50_ms:.1f}",
                f"{run.p99_ms:.1f}",
            )
        )
    alone_us = counting_us()
    return [
        _ABOUT,
        "",
        *table(
            (
                "calls are",
                "server CPU, us",
                "over counted",
                "in single rounds",
                "calls/s",
                "p50, ms",
                "p99, ms",
            ),
            rows,
        ),
        "",
        _ALONE.format(us=alone_us, share=alone_us / Run.median_of(counted).server_us),
    ]


def _range(over: Sequence[Run], under: Sequence[Run]) -> str:
    """How far apart the rounds are."""
    ratios = [a.server_us / b.server_us for a, b in zip(over, under, strict=True)]
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def counting_us() -> float:
    """The CPU that counting one call and its one command takes, in microseconds."""

    async def answered(call: Call) -> None:
        call.code = "OK"

    method = Method("/package.Service/Method", Role.READER)
    call = Call(method, None, cast(Context, None), {}, "")
    counted = CallFigures().wrap(method, answered)
    link = LinkFigures()
    command = ("EVALSHA", "0" * 40, 1, "base")

    async def bare() -> None:
        await answered(call)

    async def observed() -> None:
        await counted(call)
        begun = time.perf_counter()
        link.handed_in += 1
        timings = link.timings(command)
        link.batches.observe(1)
        link.answered += 1
        timings.observe(time.perf_counter() - begun)

    async def cpu_s(work: Callable[[], Coroutine[None, None, None]]) -> float:
        begun = time.process_time()
        for _ in range(_LOOPS):
            await work()
        return time.process_time() - begun

    with asyncio.Runner() as runner:
        times = [(runner.run(cpu_s(observed)), runner.run(cpu_s(bare))) for _ in range(ROUNDS)]
    return median(more - less for more, less in times) / _LOOPS * 1e6
