"""Every metric that a server has, each defined here and nowhere else.

Gauges and counters of the fleet say what the store knows, so every server shows the same; all
others say what this server did since it started, or does now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from prometheus_client.core import Metric

from sessiond.domain.timings import Timings

Labels: TypeAlias = tuple[str, ...]


class Kind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric; a counter's name is that of its samples, with `_total`."""

    name: str
    kind: Kind
    meaning: str
    labels: Labels = ()

    def of(self, value: float) -> Metric:
        """The metric with one sample, which has no labels."""
        return self.by({(): value})

    def by(self, values: Mapping[Labels, float]) -> Metric:
        """The metric with a sample for each combination of label values."""
        metric = self._metric()
        for labels, value in values.items():
            metric.add_sample(self.name, self._named(labels), value)
        return metric

    def histogram(self, timings: Iterable[tuple[Labels, Timings]]) -> Metric:
        """The metric with a histogram for each combination of label values."""
        metric = self._metric()
        for labels, observed in timings:
            named = self._named(labels)
            for bound, count in observed.cumulative():
                le = "+Inf" if bound == float("inf") else f"{bound:g}"
                metric.add_sample(f"{self.name}_bucket", {**named, "le": le}, count)
            metric.add_sample(f"{self.name}_count", named, observed.count)
            metric.add_sample(f"{self.name}_sum", named, observed.total)
        return metric

    def _metric(self) -> Metric:
        return Metric(self.name.removesuffix("_total"), self.meaning, self.kind)

    def _named(self, labels: Labels) -> dict[str, str]:
        return dict(zip(self.labels, labels, strict=True))


_RPC: Final = ("grpc_type", "grpc_service", "grpc_method")
_JOB: Final = "job_name"
"""`job` is Prometheus' own label of who is scraped."""

CALLS_STARTED: Final = Definition(
    "grpc_server_started_total", Kind.COUNTER, "Calls that began.", _RPC
)
CALLS_HANDLED: Final = Definition(
    "grpc_server_handled_total",
    Kind.COUNTER,
    "Calls that ended, by status.",
    (*_RPC, "grpc_code"),
)
CALL_SECONDS: Final = Definition(
    "grpc_server_handling_seconds",
    Kind.HISTOGRAM,
    "How long calls took that ended; one that streams lasts as long as its stream. Not counted is"
    " how long refusals of callers over their limits were held back.",
    _RPC,
)
MESSAGES_RECEIVED: Final = Definition(
    "grpc_server_msg_received_total", Kind.COUNTER, "Messages received in calls.", _RPC
)
MESSAGES_SENT: Final = Definition(
    "grpc_server_msg_sent_total", Kind.COUNTER, "Messages sent in calls.", _RPC
)
REFUSALS: Final = Definition(
    "sessiond_refusals_total",
    Kind.COUNTER,
    "Calls refused, by the reason in their ErrorInfo.",
    ("reason",),
)

REFRESHES: Final = Definition(
    "sessiond_refreshes_total",
    Kind.COUNTER,
    "Refresh tokens presented, by what came of it: rotated, current, replayed and recovered got"
    " tokens.",
    ("outcome",),
)
VALIDATIONS: Final = Definition(
    "sessiond_validations_total",
    Kind.COUNTER,
    "Credentials validated, one by one or in batches, by verdict.",
    ("verdict",),
)

FLEET_CREATED: Final = Definition(
    "sessiond_fleet_sessions_created_total",
    Kind.COUNTER,
    "Fleet: sessions that logins made, since the store began.",
)
FLEET_ENDED: Final = Definition(
    "sessiond_fleet_sessions_ended_total",
    Kind.COUNTER,
    "Fleet: sessions that ended, by reason; expired ones once the reaper has been there.",
    ("reason",),
)
FLEET_EVENTS_CUT: Final = Definition(
    "sessiond_fleet_events_cut_total",
    Kind.COUNTER,
    "Fleet: events dropped before their time, as a log was at its greatest length.",
)
SESSIONS: Final = Definition(
    "sessiond_sessions", Kind.GAUGE, "Fleet: sessions that are live, or ended and kept.", ("state",)
)
USERS: Final = Definition(
    "sessiond_users", Kind.GAUGE, "Fleet: users with a session that is live, or ended and kept."
)
USERS_DUE: Final = Definition(
    "sessiond_reaper_users_due", Kind.GAUGE, "Fleet: users that wait for the reaper's visit."
)
REAPER_LAG: Final = Definition(
    "sessiond_reaper_lag_seconds", Kind.GAUGE, "Fleet: how long the first of them has waited."
)

READY: Final = Definition("sessiond_ready", Kind.GAUGE, "1 while callers are served, else 0.")
BUILD: Final = Definition("sessiond_build_info", Kind.GAUGE, "1, with the version.", ("version",))

STORE_SECONDS: Final = Definition(
    "sessiond_store_command_seconds",
    Kind.HISTOGRAM,
    "From handing a command in to its reply. A script's command is its name in small letters.",
    ("command",),
)
STORE_BATCH: Final = Definition(
    "sessiond_store_batch_commands", Kind.HISTOGRAM, "Commands written to the engine at once."
)
STORE_IN_FLIGHT: Final = Definition(
    "sessiond_store_commands_in_flight", Kind.GAUGE, "Commands that wait for a reply."
)
STORE_ERRORS: Final = Definition(
    "sessiond_store_command_errors_total",
    Kind.COUNTER,
    "Commands that the engine refused, or that were lost with their connection.",
    ("error",),
)
STORE_CONNECTIONS: Final = Definition(
    "sessiond_store_connections", Kind.GAUGE, "Connections for commands that are open."
)
STORE_CONNECTS: Final = Definition(
    "sessiond_store_connects_total",
    Kind.COUNTER,
    "Attempts to connect for commands; more than one well is a reconnect.",
    ("outcome",),
)

FAILOVERS: Final = Definition(
    "sessiond_store_failovers_total",
    Kind.COUNTER,
    "Times that the store went on with another history: failovers, and engines restarted.",
)
ENDINGS_REASSERTED: Final = Definition(
    "sessiond_endings_reasserted_total",
    Kind.COUNTER,
    "Ended sessions that were ended again after a failover, to be sure.",
)
ENDINGS_RESTORED: Final = Definition(
    "sessiond_endings_restored_total",
    Kind.COUNTER,
    "Those of them that the failover had brought back to life.",
)

JOB_RUNS: Final = Definition(
    "sessiond_job_runs_total",
    Kind.COUNTER,
    "Runs of jobs that ended on this server.",
    (_JOB, "outcome"),
)
JOB_DURATION: Final = Definition(
    "sessiond_job_last_duration_seconds",
    Kind.GAUGE,
    "Fleet: how long the last run of a job took.",
    (_JOB,),
)
JOB_ENDED: Final = Definition(
    "sessiond_job_last_end_timestamp_seconds",
    Kind.GAUGE,
    "Fleet: when the last run of a job ended.",
    (_JOB,),
)
JOB_SUCCEEDED: Final = Definition(
    "sessiond_job_last_success_timestamp_seconds",
    Kind.GAUGE,
    "Fleet: when a job last ended well.",
    (_JOB,),
)

WATCHERS: Final = Definition("sessiond_watchers", Kind.GAUGE, "Streams of WatchSessions.")
EVENTS_SENT: Final = Definition(
    "sessiond_watch_events_sent_total", Kind.COUNTER, "Events sent to watchers."
)
WATCHERS_CUT_OFF: Final = Definition(
    "sessiond_watchers_cut_off_total", Kind.COUNTER, "Watchers that read too slowly."
)
SNAPSHOTS: Final = Definition(
    "sessiond_watch_snapshots_total", Kind.COUNTER, "Snapshots taken for watchers."
)
WATCH_LAG: Final = Definition(
    "sessiond_watch_lag_seconds",
    Kind.GAUGE,
    "How long ago the reading for the latest checkpoint began; not there while nobody watches.",
)
LOG_EVENTS: Final = Definition(
    "sessiond_log_events", Kind.GAUGE, "Events that the logs hold; not there while nobody watches."
)

WORKERS: Final = Definition(
    "sessiond_workers", Kind.GAUGE, "Workers that answer; not there without a supervisor."
)
WORKER_RESTARTS: Final = Definition(
    "sessiond_worker_restarts_total",
    Kind.COUNTER,
    "Workers started in place of one that died; not there without a supervisor.",
)

CATALOGUE: Final = tuple(value for value in globals().values() if isinstance(value, Definition))
"""All of them, in order."""
