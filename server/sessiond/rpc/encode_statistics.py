"""From what the store holds as a whole to messages."""

from __future__ import annotations

from collections.abc import Iterable

from sessiond.domain.statistics import (
    DurationBar,
    SessionsPerUser,
    Stats,
    Survey,
    Totals,
    UserSessions,
)
from sessiond.rpc.encode import duration, timestamp
from sessionstore.v1 import admin_service_pb2 as pb
from sessionstore.v1 import session_pb2


def stats(value: Stats) -> pb.GetStatsResponse:
    """The counters, and the last survey."""
    return pb.GetStatsResponse(
        read_time=timestamp(value.read_ms),
        users=value.users,
        live_sessions=value.live,
        ended_sessions=value.ended,
        totals=_totals(value.totals),
        sessions_per_user=_per_user(value.per_user),
        backlog=pb.Backlog(users_due=value.backlog.users_due, lag=duration(value.backlog.lag_ms)),
        events=value.events,
        survey=_survey(value.survey) if value.survey else None,
    )


def users(values: Iterable[UserSessions]) -> list[pb.UserSessions]:
    """Users, in order."""
    return [
        pb.UserSessions(
            user_id=value.user_id,
            live_sessions=value.live,
            ended_sessions=value.ended,
            newest_time=timestamp(value.newest_us // 1000, value.newest_us % 1000),
        )
        for value in values
    ]


def _totals(value: Totals) -> pb.Totals:
    return pb.Totals(
        created=value.created,
        imported=value.imported,
        adopted=value.adopted,
        refreshed=value.refreshed,
        replayed=value.replayed,
        recovered=value.recovered,
        extended=value.extended,
        ended=[
            pb.EndedTotal(reason=session_pb2.EndReason.ValueType(reason), count=count)
            for reason, count in sorted(value.ended.items())
        ],
        events_cut=value.events_cut,
    )


def _per_user(value: SessionsPerUser) -> pb.SessionsPerUser:
    return pb.SessionsPerUser(
        users=value.users,
        mean=value.mean,
        p50=value.p50,
        p99=value.p99,
        max=value.max,
        users_at_cap=value.users_at_cap,
        bars=[pb.UsersBar(sessions=sessions, users=count) for sessions, count in value.bars],
    )


def _survey(value: Survey) -> pb.Survey:
    return pb.Survey(
        time=timestamp(value.time_ms),
        ages=_durations(value.ages),
        times_to_expiry=_durations(value.times_to_expiry),
        top_users=users(value.top_users),
    )


def _durations(bars: Iterable[DurationBar]) -> list[pb.DurationBar]:
    return [
        pb.DurationBar(
            upper=None if bar.upper_ms is None else duration(bar.upper_ms), sessions=bar.sessions
        )
        for bar in bars
    ]
