"""One run of a load on a contender: what it cost, per call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple, dataclass
from statistics import median
from types import TracebackType
from typing import Any, Self

import h2load
import python_load
from answers import WrongAnswerError
from engine import client_of
from load import Load, Times
from serving import Server

Make = Callable[[int], Awaitable[Load]]


@dataclass(frozen=True)
class Run:
    """What a call cost and took."""

    server_us: float
    """CPU time of the server, in microseconds."""
    engine_us: float
    """CPU time of the engine, in microseconds."""
    per_s: float
    p50_ms: float
    p99_ms: float

    @classmethod
    def median_of(cls, runs: Sequence[Run]) -> Run:
        """The median of each figure."""
        return cls(*(median(figures) for figures in zip(*map(astuple, runs), strict=True)))


class Meter:
    """Reads CPU time and scripts run before and after."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._redis = client_of(server.engine)
        self.server_s = self.engine_s = 0.0
        self.scripts = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._read(-1)
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """End."""
        self._read(1)

    def _read(self, sign: int) -> None:
        stats: dict[str, Any] = self._redis.info("commandstats")
        self.scripts += sign * sum(
            stats.get(name, {"calls": 0})["calls"] for name in ("cmdstat_evalsha", "cmdstat_eval")
        )
        self.server_s += sign * self._server.cpu_s()
        self.engine_s += sign * self._server.engine_cpu_s()


async def measure(server: Server, load: Load, scripts_per_call: int) -> Run:
    """Put the load on the server.

    Raises:
        WrongAnswerError: an answer was wrong, or calls went to the engine more often than they
            should.
    """
    os.truncate(server.log, 0)  # it logs every call
    meter = Meter(server)
    client = h2load if load.uniform and h2load.is_installed() else python_load
    times: Times = await asyncio.to_thread(client.drive, server, load, meter)
    if meter.scripts != load.calls * scripts_per_call:
        raise WrongAnswerError(
            f"{load.calls} calls of {load.method} ran {meter.scripts} scripts on {server.kind}"
        )
    return Run(
        meter.server_s * 1e6 / load.calls,
        meter.engine_s * 1e6 / load.calls,
        load.calls / times.seconds,
        times.percentile(50),
        times.percentile(99),
    )
