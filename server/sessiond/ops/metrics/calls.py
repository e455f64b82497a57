"""Calls, named and labelled as dashboards for go-grpc-middleware expect them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client.core import Metric

from sessiond.domain.timings import Timings
from sessiond.ops.metrics import catalogue
from sessiond.ops.metrics.catalogue import Labels


class MethodFigures(Protocol):
    """What is counted of the calls of one RPC."""

    @property
    def labels(self) -> Labels:
        """Its kind, service and name."""

    @property
    def started(self) -> int:
        """Calls that began."""

    @property
    def received(self) -> int:
        """Messages."""

    @property
    def sent(self) -> int:
        """Messages."""

    @property
    def handled(self) -> Mapping[str, int]:
        """By status code."""

    @property
    def seconds(self) -> Timings:
        """How long those took that ended."""


class CallFigures(Protocol):
    """What is counted of all calls."""

    @property
    def methods(self) -> Sequence[MethodFigures]:
        """One for each RPC."""

    @property
    def refusals(self) -> Mapping[str, int]:
        """By error reason."""


def call_metrics(figures: CallFigures) -> Iterator[Metric]:
    """Those of all RPCs."""
    methods = figures.methods
    yield catalogue.CALLS_STARTED.by({m.labels: m.started for m in methods})
    yield catalogue.CALLS_HANDLED.by(
        {(*m.labels, code): count for m in methods for code, count in m.handled.items()}
    )
    yield catalogue.CALL_SECONDS.histogram((m.labels, m.seconds) for m in methods)
    yield catalogue.MESSAGES_RECEIVED.by({m.labels: m.received for m in methods})
    yield catalogue.MESSAGES_SENT.by({m.labels: m.sent for m in methods})
    yield catalogue.REFUSALS.by({(reason,): n for reason, n in figures.refusals.items()})
