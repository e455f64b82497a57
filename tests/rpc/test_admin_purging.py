"""PurgeSessions over the wire: previews, and what they lead to."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from sessionstore.v1 import admin_service_pb2 as pb
from sessionstore.v1 import session_pb2, session_service_pb2
from tests.rpc.admin_calls import AdminApi
from tests.rpc.calls import Api, refused
from tests.rpc.importing import populate
from tests.rpc.serving import Server

NOW = Duration()
"""However old."""
MANY = 3_000
MOST_SAMPLES = 20


@pytest.fixture
def api(managed: Server) -> Api:
    return managed.api()


def _counts(answer: pb.PurgeSessionsResponse) -> tuple[int, int, int]:
    return answer.ended_sessions, answer.expired_sessions, answer.active_sessions


def _samples(answers: list[pb.PurgeSessionsResponse]) -> list[str]:
    return [sample.session_id for answer in answers for sample in answer.samples]


def _live_and_ended(api: Api, user: str) -> tuple[str, str]:
    ended = api.create(user).session.session_id
    api.revoke(session_id=ended)
    return api.create(user).session.session_id, ended


def test_a_preview_changes_nothing_and_tells_what_would_go(api: Api, admin: AdminApi) -> None:
    """With counts, samples, and the time to act by."""
    live, ended = _live_and_ended(api, "alice")
    answers = admin.purge(older_than=NOW, include_active=True)
    last = answers[-1]
    assert last.done
    assert _counts(last) == (1, 0, 1)
    assert sorted(_samples(answers)) == sorted([live, ended])
    assert (last.users_done, last.users_total) == (1, 1)
    assert last.cutoff_time.ToMilliseconds() > 0
    assert api.get(live).state == session_pb2.Session.STATE_ACTIVE
    assert api.get(ended).state == session_pb2.Session.STATE_ENDED


def test_a_purge_removes_exactly_what_its_preview_showed(api: Api, admin: AdminApi) -> None:
    """Sessions that ended since the preview stay."""
    first, ended = _live_and_ended(api, "alice")
    preview = admin.purge(older_than=NOW)[-1]
    api.revoke(session_id=first)
    done = admin.purge(cutoff_time=preview.cutoff_time, execute=True)[-1]
    assert _counts(done) == _counts(preview) == (1, 0, 0)
    assert [s.session_id for s in api.list("alice").sessions] == [first]
    assert refused(api.get, ended).reason == "SESSION_NOT_FOUND"


def test_live_sessions_go_on_request_alone(api: Api, admin: AdminApi) -> None:
    """They are ended in the operator's name, so that verifiers hear of it."""
    live, _ = _live_and_ended(api, "alice")
    assert _counts(admin.purge(older_than=NOW, execute=True)[-1]) == (1, 0, 0)
    assert _counts(admin.purge(older_than=NOW, execute=True, include_active=True)[-1]) == (0, 0, 1)
    assert api.validate(session_id=live).verdict == session_service_pb2.VERDICT_NOT_FOUND
    why = admin.explain(session_id=live)
    assert why.end_reason == session_pb2.END_REASON_REVOKED_BY_ADMIN
    assert admin.stats().live_sessions == admin.stats().ended_sessions == 0


def test_younger_sessions_stay(api: Api, admin: AdminApi) -> None:
    """Age counts from the end."""
    _live_and_ended(api, "alice")
    answer = admin.purge(older_than=Duration(seconds=3600), include_active=True, execute=True)[-1]
    assert _counts(answer) == (0, 0, 0)
    assert len(api.list("alice").sessions) == 2


def test_a_purge_tells_how_far_it_has_come(managed: Server, admin: AdminApi) -> None:
    """Again and again, each with a place to go on from; samples come once."""
    populate(managed, MANY)
    answers = admin.purge(older_than=NOW, include_active=True)
    assert len(answers) > 1
    assert [answer.done for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert all(answer.resume_token for answer in answers[:-1])
    assert sorted(answer.users_done for answer in answers) == [a.users_done for a in answers]
    assert _counts(answers[-1]) == (0, 0, MANY)
    samples = _samples(answers)
    assert len(set(samples)) == len(samples) == MOST_SAMPLES


def test_a_purge_that_was_stopped_goes_on_where_it_was(managed: Server, admin: AdminApi) -> None:
    """A cancelled call stops at once, and the resume token leads to the end."""
    populate(managed, MANY)
    purging = admin.purging(older_than=NOW, include_active=True, execute=True)
    first = next(purging)
    purging.cancel()
    assert not first.done
    assert 0 < admin.stats().live_sessions < MANY
    rest = admin.purge(
        older_than=NOW, include_active=True, execute=True, resume_token=first.resume_token
    )
    assert {answer.cutoff_time.ToNanoseconds() for answer in rest} == {
        first.cutoff_time.ToNanoseconds()
    }
    assert rest[-1].users_done >= MANY
    assert first.active_sessions < rest[-1].active_sessions <= MANY
    assert admin.stats().live_sessions == 0
    assert admin.audit()[-1].drifts == []


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({}, "age"),
        ({"older_than": Duration(seconds=-1)}, "older_than"),
        ({"older_than": Duration(nanos=-1)}, "older_than"),
        ({"older_than": NOW, "resume_token": "x"}, "resume_token"),
        ({"older_than": NOW, "resume_token": "x" * 5000}, "resume_token"),
    ],
)
def test_a_purge_that_cannot_be_is_refused_by_field(
    admin: AdminApi, fields: dict[str, Any], bad: str
) -> None:
    """Before anything is looked at."""
    assert refused(admin.purge, execute=True, **fields).fields == (bad,)


def test_a_resume_token_is_good_for_its_own_purge_alone(managed: Server, admin: AdminApi) -> None:
    """A preview's does not lead on to a purge that acts."""
    populate(managed, 500)
    token = admin.purge(older_than=NOW)[0].resume_token
    assert token
    error = refused(admin.purge, older_than=NOW, execute=True, resume_token=token)
    assert error.fields == ("resume_token",)
