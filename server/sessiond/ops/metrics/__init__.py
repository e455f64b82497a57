"""What Prometheus is told."""

from sessiond.ops.metrics.exposition import Metrics
from sessiond.ops.metrics.jobs import JobFigures

__all__ = ["JobFigures", "Metrics"]
