"""Metrics of the workers of a server as one text, each sample with the worker that it is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_LABEL: Final = "worker"


def merged(own: Iterable[Metric], texts: Mapping[int, bytes]) -> bytes:
    """The text of metrics that are of no worker, and of those of workers by their number."""
    metrics = {metric.name: metric for metric in own}
    for worker, text in sorted(texts.items()):
        for family in text_string_to_metric_families(text.decode()):
            metric = metrics.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                labels = {_LABEL: str(worker), **sample.labels}
                metric.add_sample(sample.name, labels, sample.value)
    return generate_latest(_Given(metrics.values()))


class _Given(Collector):
    """Metrics as they are."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics
