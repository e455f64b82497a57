"""Puts the metrics of a server together, in Prometheus' text format."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from sessiond.domain.statistics import Stats
from sessiond.ops.metrics import catalogue
from sessiond.ops.metrics.calls import CallFigures, call_metrics
from sessiond.ops.metrics.jobs import JobFigures, job_metrics
from sessiond.ops.metrics.sessions import fleet_metrics, session_metrics
from sessiond.ops.metrics.store import store_metrics
from sessiond.ops.metrics.watching import watch_metrics
from sessiond.service.figures import SessionFigures
from sessiond.service.watching import WatchFigures
from sessiond.store.figures import LinkFigures

Source: TypeAlias = Callable[[], Iterable[Metric]]
"""Some of the metrics, as they are now."""


class Metrics:
    """The metrics of one server."""

    def __init__(self, version: str) -> None:
        process = ProcessCollector(registry=None)
        self._sources: list[Source] = [
            process.collect,
            lambda: (catalogue.BUILD.by({(version,): 1}),),
        ]

    def show_readiness(self, ready: Callable[[], bool]) -> None:
        """Show whether callers are served."""
        self._sources.append(lambda: (catalogue.READY.of(ready()),))

    def show_calls(self, figures: CallFigures) -> None:
        """Show the calls that came in."""
        self._sources.append(lambda: call_metrics(figures))

    def show_sessions(self, figures: SessionFigures) -> None:
        """Show what became of tokens."""
        self._sources.append(lambda: session_metrics(figures))

    def show_fleet(self, stats: Callable[[], Stats | None]) -> None:
        """Show what the store holds, while that is known."""
        self._sources.append(lambda: fleet_metrics(stats()))

    def show_store(self, figures: LinkFigures, scripts: Callable[[str], str]) -> None:
        """Show what goes to the engine; `scripts` names a command, a script by its SHA-1."""
        self._sources.append(lambda: store_metrics(figures, scripts))

    def show_jobs(self, figures: JobFigures) -> None:
        """Show how the jobs went."""
        self._sources.append(lambda: job_metrics(figures))

    def show_watching(self, figures: Callable[[], WatchFigures]) -> None:
        """Show what is done for watchers."""
        self._sources.append(lambda: watch_metrics(figures()))

    async def text(self) -> bytes:
        """All of them. Callers get their turn between one metric and the next."""
        parts: list[bytes] = []
        for source in self._sources:
            for metric in source():
                parts.append(generate_latest(_Alone(metric)))
                await asyncio.sleep(0)
        return b"".join(parts)


class _Alone(Collector):
    """One metric."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric
