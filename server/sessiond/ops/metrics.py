"""What Prometheus is told, each metric defined here and nowhere else.

Gauges say what the fleet knows, so every server shows the same; counters say what this server did,
and so do the gauges of its watchers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sessiond.domain.errors import StartupError
from sessiond.domain.jobs import JobOutcome
from sessiond.service.jobs import JobStatus
from sessiond.service.reassertion import ReassertionFigures
from sessiond.service.watching import WatchFigures


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._runs = Counter(
            "sessiond_job_runs",
            "Runs of jobs that ended on this server.",
            ["job", "outcome"],
            registry=self.registry,
        )
        self._duration = self._gauge(
            "sessiond_job_last_duration_seconds", "How long the last run of a job took.", "job"
        )
        self._ended = self._gauge(
            "sessiond_job_last_end_timestamp_seconds", "When the last run of a job ended.", "job"
        )
        self._success = self._gauge(
            "sessiond_job_last_success_timestamp_seconds", "When a job last ended well.", "job"
        )
        self._sessions = self._gauge(
            "sessiond_sessions",
            "Sessions, when a job last ended: live, or ended and kept.",
            "state",
        )
        self._users = self._gauge(
            "sessiond_users", "Users that hold a session, when a job last ended."
        )

    def ran(self, job: str, outcome: JobOutcome) -> None:
        """Count a run."""
        self._runs.labels(job, outcome.name.lower()).inc()

    def show_jobs(self, jobs: Iterable[JobStatus]) -> None:
        """Show how the jobs last went, wherever they ran."""
        for job in jobs:
            if run := job.record.last_run:
                self._duration.labels(job.name).set(run.duration_ms / 1000)
                self._ended.labels(job.name).set((run.begin_ms + run.duration_ms) / 1000)
            if job.record.success_ms:
                self._success.labels(job.name).set(job.record.success_ms / 1000)

    def show_sessions(self, *, live: int, ended: int, users: int) -> None:
        """Show what the store holds."""
        self._sessions.labels("live").set(live)
        self._sessions.labels("ended").set(ended)
        self._users.set(users)

    def show_watching(self, figures: Callable[[], WatchFigures]) -> None:
        """Show what this server does for its watchers, asked at each scrape."""
        self.registry.register(_Watching(figures))

    def show_failovers(self, figures: Callable[[], ReassertionFigures]) -> None:
        """Show what this server did about failovers of the store, asked at each scrape."""
        self.registry.register(_Failovers(figures))

    def serve(self, listen: str) -> tuple[str, Callable[[], None]]:
        """Serve them over HTTP at /metrics from a thread; the address, and what ends it.

        Raises:
            StartupError: the address cannot be listened on.
        """
        host, _, port = listen.rpartition(":")
        try:
            server, thread = start_http_server(int(port), host.strip("[]"), self.registry)
        except OSError as error:
            raise StartupError(f"cannot listen on {listen}: {error.strerror}") from None
        except OverflowError:
            raise StartupError(f"cannot listen on {listen}: a port is at most 65535") from None

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return f"{host}:{server.server_port}", stop

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)


class _Watching(Collector):
    """The watchers of this server."""

    def __init__(self, figures: Callable[[], WatchFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Each metric with its value. What is not known while nobody watches is not shown."""
        figures = self._figures()
        yield GaugeMetricFamily("sessiond_watchers", "Streams of WatchSessions.", figures.watchers)
        yield CounterMetricFamily(
            "sessiond_watch_events_sent", "Events sent to watchers.", figures.events_sent
        )
        yield CounterMetricFamily(
            "sessiond_watchers_cut_off", "Watchers that read too slowly.", figures.cut_off
        )
        yield CounterMetricFamily(
            "sessiond_watch_snapshots", "Snapshots taken for watchers.", figures.snapshots
        )
        if figures.lag_s is not None:
            yield GaugeMetricFamily(
                "sessiond_watch_lag_seconds",
                "How long ago the reading for the latest checkpoint began.",
                figures.lag_s,
            )
        if figures.log_events is not None:
            yield GaugeMetricFamily(
                "sessiond_log_events", "Events that the logs hold.", figures.log_events
            )


class _Failovers(Collector):
    """Failovers of the store, as this server saw them."""

    def __init__(self, figures: Callable[[], ReassertionFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Each metric with its value."""
        figures = self._figures()
        yield CounterMetricFamily(
            "sessiond_store_failovers",
            "Times that the store went on with another history: failovers, and engines restarted.",
            figures.failovers,
        )
        yield CounterMetricFamily(
            "sessiond_endings_reasserted",
            "Ended sessions that were ended again after a failover, to be sure.",
            figures.reasserted,
        )
        yield CounterMetricFamily(
            "sessiond_endings_restored",
            "Those of them that the failover had brought back to life.",
            figures.restored,
        )
