"""Runs of a load on contenders, in turn: what a call cost and took."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from statistics import median
from types import TracebackType
from typing import Any, Final, Self

import h2load
import python_load
from answers import WrongAnswerError
from contender import NATIVE_NO_OP, NO_OP
from engine import client_of
from ground import Ground
from load import Load, Times
from operations import Operation
from serving import Server
from sessiond.domain.ids import PARTITIONS

# A server that did not hear from its engine in time registers again, which is one script in each
# partition; an overloaded baseline does.
_REGISTERED_AGAIN: Final = (0, PARTITIONS, 2 * PARTITIONS)
_BESIDE: Final = 0.01
"""Scripts that servers run of their own meanwhile, for each call at most. What a call ran too often
would be one at least."""
ROUNDS: Final = 6
"""Of each operation on each contender."""
_WARM_UP: Final = 4
"""The run before the first round has one call of so many."""


@dataclass(frozen=True)
class Run:
    """What a call cost and took."""

    server_us: float
    """CPU time of the server, in microseconds."""
    engine_us: float
    """CPU time of the engine, in microseconds."""
    reads: float
    """How often the engine read from its connections: a round trip is a read at least."""
    per_s: float
    p50_ms: float
    p99_ms: float

    @classmethod
    def median_of(cls, runs: Sequence[Run]) -> Run:
        """The median of each figure."""
        return cls(*(median(figures) for figures in zip(*map(astuple, runs), strict=True)))


class Meter:
    """Reads CPU times, scripts run and reads made before and after."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._redis = client_of(server.engine)
        self.server_s = self.engine_s = 0.0
        self.scripts = self.reads = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._read(-1)
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """End."""
        self._read(1)
        self._redis.close()

    def _read(self, sign: int) -> None:
        info: dict[str, Any] = self._redis.info("all")
        self.scripts += sign * sum(
            info.get(name, {"calls": 0})["calls"] for name in ("cmdstat_evalsha", "cmdstat_eval")
        )
        self.reads += sign * info["total_reads_processed"]
        self.server_s += sign * self._server.cpu_s()
        self.engine_s += sign * (info["used_cpu_user"] + info["used_cpu_sys"])


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
    more = meter.scripts - load.calls * scripts_per_call
    if not any(0 <= more - again <= load.calls * _BESIDE for again in _REGISTERED_AGAIN):
        raise WrongAnswerError(
            f"{load.calls} calls of {load.method} ran {meter.scripts} scripts on {server.kind}"
        )
    return Run(
        meter.server_s * 1e6 / load.calls,
        meter.engine_s * 1e6 / load.calls,
        meter.reads / load.calls,
        load.calls / times.seconds,
        times.percentile(50),
        times.percentile(99),
    )


@dataclass(frozen=True)
class Contender:
    """A server, and what it finds in its store."""

    server: Server
    ground: Ground


async def alternate(
    operation: Operation, contenders: Sequence[Contender], rounds: int
) -> list[list[Run]]:
    """For each contender its runs, one a round, after one that does not count.

    They take turns, one way round and then the other: the machine's speed drifts.
    """
    runs: dict[Contender, list[Run]] = {contender: [] for contender in contenders}
    for number in range(rounds + 1):
        calls = operation.calls if number else operation.calls // _WARM_UP
        for contender in contenders if number % 2 else reversed(contenders):
            server, ground = contender.server, contender.ground
            load = await operation.make(ground, calls)
            run = await measure(
                server, load, 0 if server.kind in (NO_OP, NATIVE_NO_OP) else operation.scripts
            )
            await ground.tidy()
            if number:
                runs[contender].append(run)
    return list(runs.values())


def ratio(over: Sequence[Run], under: Sequence[Run]) -> float:
    """How server CPU compares within a round: the median over the rounds."""
    return median(a.server_us / b.server_us for a, b in zip(over, under, strict=True))


def engine_ratio(over: Sequence[Run], under: Sequence[Run]) -> float:
    """How engine CPU compares within a round: the median over the rounds."""
    return median(a.engine_us / b.engine_us for a, b in zip(over, under, strict=True))


def client_name() -> str:
    """Which clients put the load on."""
    if h2load.is_installed():
        return "Load by `h2load` where every request is the same, else by Python processes."
    return "Load by Python processes; `h2load` is not installed."
