"""From what operators ask for to messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sessiond.domain.drift import Drift
from sessiond.domain.explanation import Explanation
from sessiond.domain.jobs import JobRun
from sessiond.domain.session import Session
from sessiond.rpc.encode import duration, session, sessions, timestamp
from sessiond.service.index_audit import AuditProgress
from sessiond.service.jobs import JobStatus
from sessiond.service.key_rotation import NextKey
from sessiond.service.purging import PurgeProgress
from sessionstore.v1 import admin_service_pb2 as pb
from sessionstore.v1.session_pb2 import EndReason
from sessionstore.v1.session_service_pb2 import Verdict


def explanation(value: Explanation) -> pb.ExplainSessionResponse:
    """All that is known of a session."""
    return pb.ExplainSessionResponse(
        verdict=Verdict.ValueType(value.verdict),
        summary=value.summary,
        session_id=value.session_id,
        session=session(value.session) if value.session else None,
        end_reason=EndReason.ValueType(value.end_reason),
        end_time=timestamp(value.end_ms),
        ended_by=value.ended_by,
        access_tokens_dead_time=timestamp(value.access_tokens_dead_ms),
        forget_time=timestamp(value.forget_ms),
        indexed=value.indexed,
        generation=value.generation,
        token_generation=value.token_generation,
    )


def purged(value: PurgeProgress, samples: Iterable[Session]) -> pb.PurgeSessionsResponse:
    """How far a purge has come, with samples of what it came by since the last message."""
    return pb.PurgeSessionsResponse(
        cutoff_time=timestamp(value.cutoff_ms),
        ended_sessions=value.ended,
        expired_sessions=value.expired,
        active_sessions=value.active,
        samples=sessions(samples),
        users_done=value.users_done,
        users_total=value.users_total,
        resume_token=value.resume_token,
        done=value.done,
    )


def audited(value: AuditProgress) -> pb.AuditIndexResponse:
    """How far an audit has come, and what it found."""
    return pb.AuditIndexResponse(
        keys_done=value.keys_done,
        keys_total=value.keys_total,
        drifts=[_drift(drift) for drift in value.drifts],
        done=value.done,
    )


def _drift(value: Drift) -> pb.Drift:
    return pb.Drift(
        kind=pb.Drift.Kind.ValueType(value.kind),
        found=value.found,
        repaired=value.repaired,
        samples=value.samples,
    )


def jobs(values: Sequence[JobStatus]) -> list[pb.Job]:
    """Jobs, in order."""
    return [job(value) for value in values]


def job(value: JobStatus) -> pb.Job:
    """A job, and how it goes and went."""
    record = value.record
    return pb.Job(
        name=value.name,
        description=value.description,
        schedule=value.schedule,
        next_time=timestamp(value.next_ms),
        running=record.running,
        server=record.server,
        progress_done=record.done,
        progress_total=record.total,
        start_time=timestamp(record.begin_ms),
        last_run=_run(record.last_run) if record.last_run else None,
        last_success_time=timestamp(record.success_ms),
    )


def _run(value: JobRun) -> pb.JobRun:
    return pb.JobRun(
        start_time=timestamp(value.begin_ms),
        duration=duration(value.duration_ms),
        outcome=pb.JobRun.Outcome.ValueType(value.outcome),
        message=value.message,
        attempts=value.attempts,
    )


def next_key(value: NextKey) -> pb.RotateSigningKeyResponse:
    """A key that waits to sign."""
    return pb.RotateSigningKeyResponse(
        kid=value.kid,
        publish_time=timestamp(value.publish_ms),
        sign_time=timestamp(value.sign_ms),
        created=value.created,
    )
