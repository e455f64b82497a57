"""What is done for watchers."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from sessiond.ops.metrics import catalogue
from sessiond.service.watching import WatchFigures


def watch_metrics(figures: WatchFigures) -> Iterator[Metric]:
    """Those of all watchers. What is not known while nobody watches is not shown."""
    yield catalogue.WATCHERS.of(figures.watchers)
    yield catalogue.EVENTS_SENT.of(figures.events_sent)
    yield catalogue.WATCHERS_CUT_OFF.of(figures.cut_off)
    yield catalogue.SNAPSHOTS.of(figures.snapshots)
    if figures.lag_s is not None:
        yield catalogue.WATCH_LAG.of(figures.lag_s)
    if figures.log_events is not None:
        yield catalogue.LOG_EVENTS.of(figures.log_events)
