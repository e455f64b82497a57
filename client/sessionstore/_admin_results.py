"""Messages of the admin contract to what the SDK gives."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.message import Message

from sessionstore import admin_types as types
from sessionstore._admin_enums import DriftKind, ImportOutcome, JobOutcome
from sessionstore._enums import EndReason, Verdict
from sessionstore._results import end_reason, named, session, time
from sessionstore.types import SessionPage
from sessionstore.v1 import admin_service_pb2 as pb
from sessionstore.v1 import session_pb2, session_service_pb2


def stats(message: pb.GetStatsResponse) -> types.Stats:
    return types.Stats(
        read_time=time(message.read_time),
        users=message.users,
        live_sessions=message.live_sessions,
        ended_sessions=message.ended_sessions,
        totals=_totals(message.totals),
        sessions_per_user=_sessions_per_user(message.sessions_per_user),
        backlog=types.Backlog(
            users_due=message.backlog.users_due, lag=message.backlog.lag.ToTimedelta()
        ),
        events=message.events,
        survey=_survey(message.survey) if message.HasField("survey") else None,
    )


def recent_page(message: pb.ListRecentSessionsResponse) -> SessionPage:
    return SessionPage(
        sessions=tuple(map(session, message.sessions)), next_page_token=message.next_page_token
    )


def users_page(message: pb.ListUsersResponse) -> types.UsersPage:
    return types.UsersPage(
        users=tuple(map(_user_sessions, message.users)), next_page_token=message.next_page_token
    )


def explanation(message: pb.ExplainSessionResponse) -> types.Explanation:
    return types.Explanation(
        verdict=named(Verdict, session_service_pb2.Verdict.DESCRIPTOR, "VERDICT_", message.verdict),
        summary=message.summary,
        session_id=message.session_id,
        session=session(message.session) if message.HasField("session") else None,
        end_reason=end_reason(message.end_reason),
        end_time=_time(message, "end_time"),
        ended_by=message.ended_by,
        access_tokens_dead_time=_time(message, "access_tokens_dead_time"),
        forget_time=_time(message, "forget_time"),
        indexed=message.indexed,
        generation=message.generation,
        token_generation=message.token_generation,
    )


def purge_progress(message: pb.PurgeSessionsResponse) -> types.PurgeProgress:
    return types.PurgeProgress(
        cutoff_time=time(message.cutoff_time),
        ended_sessions=message.ended_sessions,
        expired_sessions=message.expired_sessions,
        active_sessions=message.active_sessions,
        samples=tuple(map(session, message.samples)),
        users_done=message.users_done,
        users_total=message.users_total,
        resume_token=message.resume_token,
        done=message.done,
    )


def deleted_user(message: pb.DeleteUserResponse) -> types.DeletedUser:
    return types.DeletedUser(
        ended_sessions=message.ended_sessions, erased_sessions=message.erased_sessions
    )


def audit_progress(message: pb.AuditIndexResponse) -> types.AuditProgress:
    return types.AuditProgress(
        keys_done=message.keys_done,
        keys_total=message.keys_total,
        drifts=tuple(map(_drift, message.drifts)),
        done=message.done,
    )


def jobs(message: pb.ListJobsResponse) -> tuple[types.Job, ...]:
    return tuple(map(_job, message.jobs))


def started_job(message: pb.RunJobResponse) -> types.Job:
    return _job(message.job)


def import_results(message: pb.ImportSessionsResponse) -> tuple[types.ImportResult, ...]:
    wire = pb.ImportResult.Outcome.DESCRIPTOR
    return tuple(
        types.ImportResult(
            outcome=named(ImportOutcome, wire, "OUTCOME_", result.outcome),
            session_id=result.session_id,
            description=result.description,
            evicted_session_ids=tuple(result.evicted_session_ids),
        )
        for result in message.results
    )


def export_page(message: pb.ExportSessionsResponse) -> types.ExportPage:
    return types.ExportPage(
        sessions=tuple(map(session, message.sessions)),
        users_done=message.users_done,
        users_total=message.users_total,
        resume_token=message.resume_token,
        done=message.done,
    )


def rotated_key(message: pb.RotateSigningKeyResponse) -> types.RotatedKey:
    return types.RotatedKey(
        kid=message.kid,
        publish_time=time(message.publish_time),
        sign_time=time(message.sign_time),
        created=message.created,
    )


def _totals(message: pb.Totals) -> types.Totals:
    wire = session_pb2.EndReason.DESCRIPTOR
    return types.Totals(
        created=message.created,
        imported=message.imported,
        adopted=message.adopted,
        refreshed=message.refreshed,
        replayed=message.replayed,
        recovered=message.recovered,
        extended=message.extended,
        ended={
            named(EndReason, wire, "END_REASON_", total.reason): total.count
            for total in message.ended
        },
        events_cut=message.events_cut,
    )


def _sessions_per_user(message: pb.SessionsPerUser) -> types.SessionsPerUser:
    return types.SessionsPerUser(
        users=message.users,
        mean=message.mean,
        p50=message.p50,
        p99=message.p99,
        max=message.max,
        users_at_cap=message.users_at_cap,
        bars=tuple(types.UsersBar(sessions=bar.sessions, users=bar.users) for bar in message.bars),
    )


def _survey(message: pb.Survey) -> types.Survey:
    return types.Survey(
        time=time(message.time),
        ages=tuple(map(_duration_bar, message.ages)),
        times_to_expiry=tuple(map(_duration_bar, message.times_to_expiry)),
        top_users=tuple(map(_user_sessions, message.top_users)),
    )


def _duration_bar(message: pb.DurationBar) -> types.DurationBar:
    upper = message.upper.ToTimedelta() if message.HasField("upper") else None
    return types.DurationBar(upper=upper, sessions=message.sessions)


def _user_sessions(message: pb.UserSessions) -> types.UserSessions:
    return types.UserSessions(
        user_id=message.user_id,
        live_sessions=message.live_sessions,
        ended_sessions=message.ended_sessions,
        newest_time=_time(message, "newest_time"),
    )


def _drift(message: pb.Drift) -> types.Drift:
    return types.Drift(
        kind=named(DriftKind, pb.Drift.Kind.DESCRIPTOR, "KIND_", message.kind),
        found=message.found,
        repaired=message.repaired,
        samples=tuple(message.samples),
    )


def _job(message: pb.Job) -> types.Job:
    return types.Job(
        name=message.name,
        description=message.description,
        schedule=message.schedule,
        next_time=_time(message, "next_time"),
        running=message.running,
        server=message.server,
        progress_done=message.progress_done,
        progress_total=message.progress_total,
        start_time=_time(message, "start_time"),
        last_run=_job_run(message.last_run) if message.HasField("last_run") else None,
        last_success_time=_time(message, "last_success_time"),
    )


def _job_run(message: pb.JobRun) -> types.JobRun:
    wire = pb.JobRun.Outcome.DESCRIPTOR
    return types.JobRun(
        start_time=time(message.start_time),
        duration=message.duration.ToTimedelta(),
        outcome=named(JobOutcome, wire, "OUTCOME_", message.outcome),
        message=message.message,
        attempts=message.attempts,
    )


def _time(message: Message, field: str) -> datetime | None:
    return time(getattr(message, field)) if message.HasField(field) else None
