"""Answers of the service with every field set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from sessionstore.v1 import admin_service_pb2, session_pb2

ACCESS_TOKEN = "canary.access.token"
REFRESH_TOKEN = "srt1_canary-refresh-token"

EPOCH = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


def at(hours: int) -> datetime:
    """A moment with microseconds, so many hours after the first one."""
    return EPOCH + timedelta(hours=hours)


def stamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def session(session_id: str = "s1", **fields: Any) -> session_pb2.Session:
    """A live session, or what the fields make of it."""
    values: dict[str, Any] = {
        "user_id": "alice",
        "profile": "web",
        "state": session_pb2.Session.STATE_ACTIVE,
        "client": session_pb2.Client(
            user_agent="curl/8",
            ip_address="203.0.113.7",
            device_id="d1",
            device_name="Laptop",
            fingerprint="f1",
            cut_fields=["user_agent"],
        ),
        "attributes": {"theme": "dark"},
        "authentication": session_pb2.Authentication(
            methods=["pwd", "otp"], acr="2", time=stamp(at(0))
        ),
        "audience": ["api"],
        "create_time": stamp(at(1)),
        "expire_time": stamp(at(2)),
        "absolute_expire_time": stamp(at(3)),
        "refresh_time": stamp(at(4)),
        "last_seen_time": stamp(at(5)),
        "etag": "3",
    }
    return session_pb2.Session(session_id=session_id, **{**values, **fields})


def ended_session(session_id: str = "s0") -> session_pb2.Session:
    return session(
        session_id,
        state=session_pb2.Session.STATE_ENDED,
        end_reason=session_pb2.END_REASON_EVICTED_BY_CAP,
        end_time=stamp(at(6)),
        ended_by="web-frontend",
    )


def tokens() -> session_pb2.Tokens:
    return session_pb2.Tokens(
        access_token=ACCESS_TOKEN,
        access_token_expire_time=stamp(at(7)),
        refresh_token=REFRESH_TOKEN,
        refresh_token_expire_time=stamp(at(8)),
    )


def span(seconds: float) -> Duration:
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def stats() -> admin_service_pb2.GetStatsResponse:
    """The numbers of a store with 14 live sessions of 3 users."""
    pb = admin_service_pb2
    return pb.GetStatsResponse(
        read_time=stamp(at(9)),
        users=4,
        live_sessions=14,
        ended_sessions=7,
        totals=pb.Totals(
            created=21,
            imported=5,
            adopted=2,
            refreshed=30,
            replayed=4,
            recovered=1,
            extended=6,
            ended=[
                pb.EndedTotal(reason=session_pb2.END_REASON_LOGOUT, count=3),
                pb.EndedTotal(reason=session_pb2.END_REASON_EVICTED_BY_CAP, count=4),
            ],
            events_cut=8,
        ),
        sessions_per_user=pb.SessionsPerUser(
            users=3,
            mean=14 / 3,
            p50=3,
            p99=10,
            max=10,
            users_at_cap=1,
            bars=[
                pb.UsersBar(sessions=1, users=1),
                pb.UsersBar(sessions=3, users=1),
                pb.UsersBar(sessions=10, users=1),
            ],
        ),
        backlog=pb.Backlog(users_due=2, lag=span(1.5)),
        events=28,
        survey=pb.Survey(
            time=stamp(at(8)),
            ages=[
                pb.DurationBar(upper=span(3600), sessions=10),
                pb.DurationBar(sessions=4),
            ],
            times_to_expiry=[
                pb.DurationBar(upper=span(86400), sessions=2),
                pb.DurationBar(sessions=12),
            ],
            top_users=[user_sessions()],
        ),
    )


def user_sessions(user_id: str = "alice") -> admin_service_pb2.UserSessions:
    return admin_service_pb2.UserSessions(
        user_id=user_id, live_sessions=10, ended_sessions=4, newest_time=stamp(at(7))
    )


def job() -> admin_service_pb2.Job:
    """A job that runs for the second time."""
    pb = admin_service_pb2
    return pb.Job(
        name="stats",
        description="Looks at every live session.",
        schedule="0 * * * *",
        next_time=stamp(at(10)),
        running=True,
        server="host-1/4711",
        progress_done=3,
        progress_total=9,
        start_time=stamp(at(9)),
        last_run=pb.JobRun(
            start_time=stamp(at(8)),
            duration=span(2.5),
            outcome=pb.JobRun.OUTCOME_SUCCEEDED,
            message="total 21, active 14, ended 7",
            attempts=2,
        ),
        last_success_time=stamp(at(8)),
    )
