"""Each method of the admin clients sends what it is given and gives what it is sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from sessionstore import (
    Backlog,
    ClientInfo,
    DeletedUser,
    Drift,
    DriftKind,
    DurationBar,
    EndReason,
    Explanation,
    ImportedSession,
    ImportOutcome,
    ImportResult,
    Job,
    JobOutcome,
    JobRun,
    RotatedKey,
    SessionsPerUser,
    State,
    Stats,
    Survey,
    Totals,
    UsersBar,
    UserSessions,
    Verdict,
)
from sessionstore.v1 import admin_service_pb2 as pb
from sessionstore.v1 import session_pb2, session_service_pb2
from tests.client import messages
from tests.client.conftest import Admin
from tests.client.fake_service import FakeService
from tests.client.test_calls import SESSION, request

ALICE = UserSessions(
    user_id="alice", live_sessions=10, ended_sessions=4, newest_time=messages.at(7)
)


async def test_stats_give_every_number(service: FakeService, admin: Admin) -> None:
    """Counters, distribution, backlog and survey arrive as they were sent."""
    service.answer("GetStats", messages.stats())

    assert await admin.stats() == Stats(
        read_time=messages.at(9),
        users=4,
        live_sessions=14,
        ended_sessions=7,
        totals=Totals(
            created=21,
            imported=5,
            adopted=2,
            refreshed=30,
            replayed=4,
            recovered=1,
            extended=6,
            ended={EndReason.LOGOUT: 3, EndReason.EVICTED_BY_CAP: 4},
            events_cut=8,
        ),
        sessions_per_user=SessionsPerUser(
            users=3,
            mean=14 / 3,
            p50=3,
            p99=10,
            max=10,
            users_at_cap=1,
            bars=tuple(UsersBar(sessions=number, users=1) for number in (1, 3, 10)),
        ),
        backlog=Backlog(users_due=2, lag=timedelta(seconds=1.5)),
        events=28,
        survey=Survey(
            time=messages.at(8),
            ages=(
                DurationBar(upper=timedelta(hours=1), sessions=10),
                DurationBar(upper=None, sessions=4),
            ),
            times_to_expiry=(
                DurationBar(upper=timedelta(days=1), sessions=2),
                DurationBar(upper=None, sessions=12),
            ),
            top_users=(ALICE,),
        ),
    )


async def test_without_a_survey_there_is_none(service: FakeService, admin: Admin) -> None:
    """A store that the stats job never looked at has no survey, rather than an empty one."""
    service.answer("GetStats", pb.GetStatsResponse())

    assert (await admin.stats()).survey is None


async def test_recent_sessions_come_page_by_page(service: FakeService, admin: Admin) -> None:
    """The iterator follows the page tokens, with the page size that was asked for."""
    for session_id, token in [("a", "p1"), ("b", "")]:
        page = pb.ListRecentSessionsResponse(
            sessions=[messages.session(session_id)], next_page_token=token
        )
        service.answer_once("ListRecentSessions", page)

    recent = await admin.recent(page_size=7)

    assert [session.id for session in recent] == ["a", "b"]
    sent = [received.request for received in service.received["ListRecentSessions"]]
    assert [(each.page_size, each.page_token) for each in sent] == [(7, ""), (7, "p1")]


async def test_users_come_page_by_page(service: FakeService, admin: Admin) -> None:
    """The iterator follows the page tokens, with the page size that was asked for."""
    for user_id, token in [("alice", "p1"), ("bob", "")]:
        page = pb.ListUsersResponse(users=[messages.user_sessions(user_id)], next_page_token=token)
        service.answer_once("ListUsers", page)

    users = await admin.users(page_size=7)

    assert users[0] == ALICE
    assert [user.user_id for user in users] == ["alice", "bob"]
    sent = [received.request for received in service.received["ListUsers"]]
    assert [(each.page_size, each.page_token) for each in sent] == [(7, ""), (7, "p1")]


async def test_an_explanation_says_all_that_is_known(service: FakeService, admin: Admin) -> None:
    """Everything that the service knows of an ended session is there."""
    service.answer(
        "ExplainSession",
        pb.ExplainSessionResponse(
            verdict=session_service_pb2.VERDICT_ENDED,
            summary="Ended an hour ago.",
            session_id="s1",
            session=messages.session(),
            end_reason=session_pb2.END_REASON_TOKEN_REUSED,
            end_time=messages.stamp(messages.at(1)),
            ended_by="web",
            access_tokens_dead_time=messages.stamp(messages.at(2)),
            forget_time=messages.stamp(messages.at(3)),
            indexed=True,
            generation=5,
            token_generation=4,
        ),
    )

    explanation = await admin.explain(refresh_token=messages.REFRESH_TOKEN)

    assert request(service, "ExplainSession").refresh_token == messages.REFRESH_TOKEN
    assert explanation == Explanation(
        verdict=Verdict.ENDED,
        summary="Ended an hour ago.",
        session_id="s1",
        session=SESSION,
        end_reason=EndReason.TOKEN_REUSED,
        end_time=messages.at(1),
        ended_by="web",
        access_tokens_dead_time=messages.at(2),
        forget_time=messages.at(3),
        indexed=True,
        generation=5,
        token_generation=4,
    )


async def test_what_is_not_known_of_a_session_is_none(service: FakeService, admin: Admin) -> None:
    """An unset time or session is None, not the epoch."""
    service.answer("ExplainSession", pb.ExplainSessionResponse())

    explanation = await admin.explain(session_id="s1")

    assert (explanation.session, explanation.end_reason, explanation.end_time) == (None,) * 3
    assert (explanation.access_tokens_dead_time, explanation.forget_time) == (None, None)


async def test_explain_takes_exactly_one_credential(admin: Admin) -> None:
    """Two names for a session could be two sessions."""
    with pytest.raises(TypeError, match="exactly one"):
        await admin.explain()
    with pytest.raises(TypeError, match="exactly one"):
        await admin.explain(session_id="s1", access_token="a")


async def test_a_purge_tells_its_progress(service: FakeService, admin: Admin) -> None:
    """Each message of the stream is one progress, with its samples and its resume token."""
    service.answer(
        "PurgeSessions",
        [
            pb.PurgeSessionsResponse(
                cutoff_time=messages.stamp(messages.at(1)),
                ended_sessions=3,
                expired_sessions=2,
                active_sessions=1,
                samples=[messages.session()],
                users_done=5,
                users_total=9,
                resume_token="r1",
            ),
            pb.PurgeSessionsResponse(done=True, resume_token="r2"),
        ],
    )

    first, last = await admin.purge(
        older_than=timedelta(days=30), include_active=True, execute=True, resume_token="r0"
    )

    sent = request(service, "PurgeSessions")
    assert sent.older_than.ToTimedelta() == timedelta(days=30)
    assert (sent.include_active, sent.execute, sent.resume_token) == (True, True, "r0")
    assert (first.cutoff_time, first.samples) == (messages.at(1), (SESSION,))
    assert (first.ended_sessions, first.expired_sessions, first.active_sessions) == (3, 2, 1)
    assert (first.sessions, first.users_done, first.users_total) == (6, 5, 9)
    assert (first.resume_token, first.done, last.done) == ("r1", False, True)


async def test_a_purge_takes_one_age(service: FakeService, admin: Admin) -> None:
    """An age of zero is an age; none, two, or a time without a zone are refused unsent."""
    await admin.purge(older_than=timedelta(0))
    assert request(service, "PurgeSessions").WhichOneof("age") == "older_than"
    for ages in ({}, {"older_than": timedelta(0), "cutoff_time": messages.at(0)}):
        with pytest.raises(TypeError, match="exactly one"):
            await admin.purge(**ages)
    naive = datetime(2026, 1, 31)  # noqa: DTZ001
    with pytest.raises(ValueError, match="aware"):
        await admin.purge(cutoff_time=naive)


async def test_delete_user_says_what_went(service: FakeService, admin: Admin) -> None:
    """Both numbers are given."""
    service.answer("DeleteUser", pb.DeleteUserResponse(ended_sessions=2, erased_sessions=5))

    deleted = await admin.delete_user("alice")

    assert request(service, "DeleteUser").user_id == "alice"
    assert deleted == DeletedUser(ended_sessions=2, erased_sessions=5)


async def test_an_audit_tells_what_disagrees(service: FakeService, admin: Admin) -> None:
    """Each drift has its kind, its numbers and its samples."""
    service.answer(
        "AuditIndex",
        [
            pb.AuditIndexResponse(keys_done=5, keys_total=9),
            pb.AuditIndexResponse(
                keys_done=9,
                keys_total=9,
                drifts=[
                    pb.Drift(
                        kind=pb.Drift.KIND_COUNTER_WRONG,
                        found=2,
                        repaired=1,
                        samples=["live: 3, 2"],
                    )
                ],
                done=True,
            ),
        ],
    )

    first, last = await admin.audit(repair=True)

    assert request(service, "AuditIndex").repair
    assert (first.keys_done, first.keys_total, first.drifts, first.done) == (5, 9, (), False)
    assert last.done
    assert last.drifts == (
        Drift(kind=DriftKind.COUNTER_WRONG, found=2, repaired=1, samples=("live: 3, 2",)),
    )


async def test_jobs_tell_how_they_stand(service: FakeService, admin: Admin) -> None:
    """A job that runs, and what became of its last run."""
    service.answer("ListJobs", pb.ListJobsResponse(jobs=[messages.job(), pb.Job(name="idle")]))
    service.answer("RunJob", pb.RunJobResponse(job=messages.job()))

    running, idle = await admin.jobs()

    assert running == await admin.run_job("stats")
    assert request(service, "RunJob").name == "stats"
    assert running == Job(
        name="stats",
        description="Looks at every live session.",
        schedule="0 * * * *",
        next_time=messages.at(10),
        running=True,
        server="host-1/4711",
        progress_done=3,
        progress_total=9,
        start_time=messages.at(9),
        last_run=JobRun(
            start_time=messages.at(8),
            duration=timedelta(seconds=2.5),
            outcome=JobOutcome.SUCCEEDED,
            message="total 21, active 14, ended 7",
            attempts=2,
        ),
        last_success_time=messages.at(8),
    )
    assert (idle.next_time, idle.start_time, idle.last_run, idle.last_success_time) == (None,) * 4


async def test_an_import_answers_batch_by_batch(service: FakeService, admin: Admin) -> None:
    """Every field of a session is sent, and each batch has its results, in order."""

    def answer(requests: Any, _: object) -> Any:
        for each in requests:
            received.append(each)
            yield pb.ImportSessionsResponse(
                results=[
                    pb.ImportResult(
                        outcome=pb.ImportResult.OUTCOME_IMPORTED,
                        session_id=f"new-{session.external_id}",
                        evicted_session_ids=["e"],
                    )
                    for session in each.sessions
                ]
            )

    received: list[pb.ImportSessionsRequest] = []
    service.answer("ImportSessions", answer)
    old = ImportedSession(
        external_id="1",
        user_id="alice",
        create_time=messages.at(1),
        expire_time=messages.at(2),
        revoke_time=messages.at(3),
        profile="web",
        client=ClientInfo(user_agent="curl/8"),
        attributes={"theme": "dark"},
    )
    bare = ImportedSession(
        external_id="2", user_id="bob", create_time=messages.at(1), expire_time=messages.at(2)
    )

    results = await admin.import_sessions([[old, bare], [bare]], validate_only=True)

    assert [[each.session_id for each in batch] for batch in results] == [
        ["new-1", "new-2"],
        ["new-2"],
    ]
    assert results[0][0] == ImportResult(
        outcome=ImportOutcome.IMPORTED,
        session_id="new-1",
        description="",
        evicted_session_ids=("e",),
    )
    assert all(each.validate_only for each in received)
    assert list(received[0].sessions) == [
        pb.ImportedSession(
            external_id="1",
            user_id="alice",
            profile="web",
            client=session_pb2.Client(user_agent="curl/8"),
            attributes={"theme": "dark"},
            create_time=messages.stamp(messages.at(1)),
            expire_time=messages.stamp(messages.at(2)),
            revoke_time=messages.stamp(messages.at(3)),
        ),
        pb.ImportedSession(
            external_id="2",
            user_id="bob",
            create_time=messages.stamp(messages.at(1)),
            expire_time=messages.stamp(messages.at(2)),
        ),
    ]


async def test_an_export_gives_pages(service: FakeService, admin: Admin) -> None:
    """The filter is sent, and each message of the stream is one page."""
    service.answer(
        "ExportSessions",
        [
            pb.ExportSessionsResponse(
                sessions=[messages.session()], users_done=1, users_total=2, resume_token="r1"
            ),
            pb.ExportSessionsResponse(done=True),
        ],
    )

    first, last = await admin.export("alice", states=[State.ACTIVE], resume_token="r0")

    sent = request(service, "ExportSessions")
    assert (sent.user_id, sent.resume_token) == ("alice", "r0")
    assert list(sent.states) == [session_pb2.Session.STATE_ACTIVE]
    assert (first.sessions, first.users_done, first.users_total) == ((SESSION,), 1, 2)
    assert (first.resume_token, first.done, last.done) == ("r1", False, True)


async def test_a_rotated_key_says_from_when_it_signs(service: FakeService, admin: Admin) -> None:
    """The key's id and both times are given."""
    service.answer(
        "RotateSigningKey",
        pb.RotateSigningKeyResponse(
            kid="k2",
            publish_time=messages.stamp(messages.at(1)),
            sign_time=messages.stamp(messages.at(2)),
            created=True,
        ),
    )

    assert await admin.rotate_signing_key() == RotatedKey(
        kid="k2", publish_time=messages.at(1), sign_time=messages.at(2), created=True
    )
