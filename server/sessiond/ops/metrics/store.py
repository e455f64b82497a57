"""What goes to the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import Metric

from sessiond.ops.metrics import catalogue
from sessiond.store.figures import LinkFigures


def store_metrics(figures: LinkFigures, name_of: Callable[[str], str]) -> Iterator[Metric]:
    """Those of a link; `name_of` names a command, a script by its SHA-1."""
    yield catalogue.STORE_SECONDS.histogram(
        ((name_of(command),), timings) for command, timings in figures.seconds.items()
    )
    yield catalogue.STORE_BATCH.histogram([((), figures.batches)])
    yield catalogue.STORE_IN_FLIGHT.of(figures.in_flight)
    yield catalogue.STORE_ERRORS.by({("refused",): figures.refused, ("lost",): figures.lost})
    yield catalogue.STORE_CONNECTIONS.of(figures.connected - figures.disconnected)
    yield catalogue.STORE_CONNECTS.by(
        {("ok",): figures.connected, ("failed",): figures.connects_failed}
    )
