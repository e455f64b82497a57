"""What the admin clients take and give. Times are aware UTC datetimes; 0 of a total: not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sessionstore._admin_enums import DriftKind, ImportOutcome, JobOutcome
from sessionstore.types import ClientInfo, EndReason, Session, Verdict

__all__ = [
    "AuditProgress",
    "Backlog",
    "DeletedUser",
    "Drift",
    "DriftKind",
    "DurationBar",
    "Explanation",
    "ExportPage",
    "ImportOutcome",
    "ImportResult",
    "ImportedSession",
    "Job",
    "JobOutcome",
    "JobRun",
    "PurgeProgress",
    "RotatedKey",
    "SessionsPerUser",
    "Stats",
    "Survey",
    "Totals",
    "UserSessions",
    "UsersBar",
    "UsersPage",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What happened since the store began."""

    created: int
    """Imported ones included."""
    imported: int
    adopted: int
    """Imported sessions that were given tokens."""
    refreshed: int
    """Refreshes that moved the expiry."""
    replayed: int
    """Refreshes that were answered with the current token again."""
    recovered: int
    """Of those refreshed: token generations that a failover had lost."""
    extended: int
    ended: Mapping[EndReason, int] = field(hash=False)
    """Endings by reason; reasons that never occurred are left out."""
    events_cut: int
    """Events that were cut by the log's length limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersBar:
    """One bar of the histogram of users by number of live sessions."""

    sessions: int
    users: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsPerUser:
    """The exact distribution of live sessions over users that hold any."""

    users: int
    mean: float
    p50: int
    p99: int
    max: int
    users_at_cap: int
    """Users that hold at least as many as the default profile's cap."""
    bars: tuple[UsersBar, ...]
    """Fewest sessions first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What the reaper has still to do."""

    users_due: int
    lag: timedelta
    """How long the longest waiting user has been due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationBar:
    """One bar of a histogram over durations; it begins where the one before ends."""

    upper: timedelta | None
    """The bar ends before this; None for the last one."""
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSessions:
    """How many sessions a user holds."""

    user_id: str
    live_sessions: int
    ended_sessions: int
    """Ended, and still kept."""
    newest_time: datetime | None
    """When the newest live session was created, or refreshed where the idlest is evicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the stats job found in the live sessions themselves."""

    time: datetime
    """When the job ended."""
    ages: tuple[DurationBar, ...]
    """By time since creation, youngest first."""
    times_to_expiry: tuple[DurationBar, ...]
    """By time to expiry, soonest first."""
    top_users: tuple[UserSessions, ...]
    """At most 20, most live sessions first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What the store holds. An expired session counts as live until the reaper has visited."""

    read_time: datetime
    """By the engine's clock."""
    users: int
    """With a session that is live or ended and still kept."""
    live_sessions: int
    ended_sessions: int
    """Ended, and still kept."""
    totals: Totals
    sessions_per_user: SessionsPerUser
    backlog: Backlog
    events: int
    """Events that are kept."""
    survey: Survey | None
    """Of the last stats job; None if it never ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersPage:
    """One page of users by number of live sessions, most first."""

    users: tuple[UserSessions, ...]
    next_page_token: str
    """Empty when this was the last page (AIP-158)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a session is or is not valid."""

    verdict: Verdict
    """What `validate` would answer."""
    summary: str
    """The whole story in a few sentences, for people."""
    session_id: str
    """Empty if the token is not one of the service's."""
    session: Session | None
    """In any state; None if it is no longer kept."""
    end_reason: EndReason | None
    """From the session or, once that is gone, from the events; None if it lives or is not known."""
    end_time: datetime | None
    ended_by: str
    """Empty if a rule or the expiry ended it, or it is not known."""
    access_tokens_dead_time: datetime | None
    """Until when services that verify by themselves may take its access tokens."""
    forget_time: datetime | None
    """Until when the store keeps the session."""
    indexed: bool
    """False of a session that is kept is drift, which `audit` repairs."""
    generation: int
    """Of the refresh token in the session; 0 if that is gone."""
    token_generation: int
    """Of the refresh token that was given; 0 if none was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeProgress:
    """How far a purge has come. Counts are from its beginning, over all calls that resumed it."""

    cutoff_time: datetime
    """Sessions that ended before this go, and live ones last refreshed before it."""
    ended_sessions: int
    expired_sessions: int
    active_sessions: int
    samples: tuple[Session, ...]
    """Some of them, as they were; each is given once, at most 20 over the whole call."""
    users_done: int
    users_total: int
    resume_token: str
    """Goes on from here."""
    done: bool
    """Whether the purge has come to its end."""

    @property
    def sessions(self) -> int:
        """All that were, or would be, removed."""
        return self.ended_sessions + self.expired_sessions + self.active_sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedUser:
    """What went with a user."""

    ended_sessions: int
    """Live ones, ended as USER_DELETED and erased."""
    erased_sessions: int
    """Those that had ended or expired before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One kind of disagreement in the store."""

    kind: DriftKind
    found: int
    repaired: int
    samples: tuple[str, ...]
    """The first few, at most 10: ids, keys, or a counter with both numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditProgress:
    """How far an audit has come, and what it found so far."""

    keys_done: int
    keys_total: int
    drifts: tuple[Drift, ...]
    done: bool
    """Whether the audit has come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """A run that has ended."""

    start_time: datetime
    duration: timedelta
    outcome: JobOutcome
    message: str
    """What it found, or why it failed, in one sentence."""
    attempts: int
    """How often it was begun: more than once if a server was lost in the middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Background work, done once for the whole fleet."""

    name: str
    description: str
    schedule: str
    """A cron expression in UTC; empty if it runs on request only."""
    next_time: datetime | None
    running: bool
    server: str
    """Which server runs it now, or ran it last: host and process id."""
    progress_done: int
    """In the job's own units."""
    progress_total: int
    start_time: datetime | None
    """Of the current or last run; None if it never ran."""
    last_run: JobRun | None
    """The last run that ended."""
    last_success_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSession:
    """A session of another system."""

    external_id: str
    """Its id there, 1 to 1,024 bytes of UTF-8, unique among its user's. Not kept: the new id is a
    keyed hash."""
    user_id: str
    create_time: datetime
    """Aware; not in the future."""
    expire_time: datetime
    """Aware; cut to the profile's absolute lifetime from now."""
    revoke_time: datetime | None = None
    """Aware; such a session is not imported."""
    profile: str | None = None
    """The policy it continues under; "default" if None."""
    client: ClientInfo | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What became of one session."""

    outcome: ImportOutcome
    session_id: str
    """Its id here; empty unless it is imported or exists."""
    description: str
    """What is wrong with it, if it is invalid."""
    evicted_session_ids: tuple[str, ...]
    """Live sessions that made room for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPage:
    """Some sessions, without any credential."""

    sessions: tuple[Session, ...]
    users_done: int
    users_total: int
    resume_token: str
    """Goes on from here."""
    done: bool
    """Whether the export has come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatedKey:
    """A key for access tokens that is published, and will sign."""

    kid: str
    publish_time: datetime
    sign_time: datetime
    """From when it signs."""
    created: bool
    """False if it was waiting to sign already."""
