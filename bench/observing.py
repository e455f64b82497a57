"""What it costs that calls are counted and traced: the CPU of a Validate, with and without."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

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
from sink import Sink

_LIVE: Final = 3_000
_SOME: Final = "0.01"
"""The default of SESSIOND_TRACE_RATIO."""
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
    record("Cost of observing", command, _report(dict(zip(servers, runs, strict=True))))


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
                f"{run.per_s:,.0f}",
                f"{run.p50_ms:.1f}",
                f"{run.p99_ms:.1f}",
            )
        )
    share = 1 - 1 / ratio(counted, found["not counted"])
    return [
        _ABOUT,
        "",
        *table(
            ("calls are", "server CPU, us", "over counted", "calls/s", "p50, ms", "p99, ms"), rows
        ),
        "",
        f"Counting takes {share:.1%} of a call's CPU; aim: 5 % at most.",
    ]
