"""ImportSessions and ExportSessions over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from sessiond.domain.errors import Reason
from sessionstore.v1 import admin_service_pb2 as pb
from sessionstore.v1 import session_pb2
from tests.rpc.admin_calls import AdminApi
from tests.rpc.calls import refused, states
from tests.rpc.importing import DAY_S, bring_in, old_session, populate
from tests.rpc.serving import Server, eventually
from tests.rpc.streaming import Requests

Outcome = pb.ImportResult


def test_each_request_of_an_import_is_answered_in_order(managed: Server, admin: AdminApi) -> None:
    """Before the next one is sent; the sessions are as they were."""
    requests = Requests[pb.ImportSessionsRequest]()
    answers = admin.importing(iter(requests))
    for i in range(3):
        sessions = [old_session(f"user-{i}", f"{i}/{j}") for j in range(2)]
        requests.send(pb.ImportSessionsRequest(sessions=sessions))
        results = next(answers).results
        assert [result.outcome for result in results] == [Outcome.OUTCOME_IMPORTED] * 2
        session = managed.api().get(results[1].session_id)
        assert session.user_id == f"user-{i}"
        assert session.create_time == sessions[1].create_time
        assert session.expire_time == sessions[1].expire_time
    requests.close()
    assert not list(answers)


def test_an_import_says_what_became_of_each_session(admin: AdminApi) -> None:
    """One that is wrong spoils no other; what came in before stays as it is."""
    revoked = old_session("alice", "revoked")
    revoked.revoke_time.GetCurrentTime()
    sessions = [
        old_session("alice", "good"),
        old_session("alice", "good"),
        old_session("bob", "good"),
        revoked,
        old_session("alice", "expired", left_s=-1),
        old_session("", "nobody's"),
        old_session("alice", "of the future", age_s=-DAY_S, left_s=2 * DAY_S),
    ]
    results = admin.bring_in(sessions)
    name = Outcome.Outcome.Name
    assert [name(result.outcome).removeprefix("OUTCOME_") for result in results] == [
        "IMPORTED",
        "EXISTS",
        "IMPORTED",
        "REVOKED",
        "EXPIRED",
        "INVALID",
        "INVALID",
    ]
    assert results[0].session_id == results[1].session_id != results[2].session_id
    assert "user_id" in results[5].description
    assert "create_time" in results[6].description


def test_an_import_can_be_tried_out(admin: AdminApi) -> None:
    """It says the same, and changes nothing."""
    (tried,) = admin.bring_in([old_session("alice", "a")], validate_only=True)
    assert tried.outcome == Outcome.OUTCOME_IMPORTED
    assert admin.stats().totals.created == 0


@pytest.mark.parametrize("size", [0, 501])
def test_a_request_with_none_or_too_many_ends_an_import(admin: AdminApi, size: int) -> None:
    """By name; what came in before it stays."""
    good = pb.ImportSessionsRequest(sessions=[old_session("alice", "a")])
    bad = pb.ImportSessionsRequest(sessions=[pb.ImportedSession()] * size)
    answers = admin.importing(iter([good, bad]))
    next(answers)
    error = refused(next, answers)
    assert (error.reason, error.fields) == (Reason.INVALID_FIELD, ("sessions",))
    assert admin.stats().totals.imported == 1


def test_an_export_gives_every_session_without_a_credential(
    managed: Server, admin: AdminApi
) -> None:
    """Exactly as they are read one by one, and says how far it has come."""
    users = populate(managed, 1_000, each=2)
    answers = admin.export()
    exported = {s.session_id: s for answer in answers for s in answer.sessions}
    assert len(exported) == 2_000
    some = next(iter(exported.values()))
    assert some == managed.api().get(some.session_id)
    assert [answer.done for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert answers[-1].users_done == answers[-1].users_total == len(users)


def test_an_export_can_be_of_one_user_and_of_some_states(managed: Server, admin: AdminApi) -> None:
    """As ListSessions gives them."""
    api = managed.api()
    live, ended = bring_in(managed, "alice", "a"), bring_in(managed, "alice", "b")
    bring_in(managed, "bob", "c")
    api.revoke(session_id=ended)

    def ids(**fields: Any) -> set[str]:
        return {s.session_id for answer in admin.export(**fields) for s in answer.sessions}

    assert ids(user_id="alice") == {live, ended}
    assert ids(user_id="alice", states=states(session_pb2.Session.STATE_ENDED)) == {ended}
    assert len(ids(states=states(session_pb2.Session.STATE_ACTIVE))) == 2


def test_an_export_that_was_stopped_goes_on_where_it_was(managed: Server, admin: AdminApi) -> None:
    """Nobody is left out."""
    users = set(populate(managed, 1_000))
    exporting = admin.exporting()
    first = next(exporting)
    exporting.cancel()
    rest = admin.export(resume_token=first.resume_token)
    given = {s.user_id for answer in [first, *rest] for s in answer.sessions}
    assert given == users
    assert rest[-1].done


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"user_id": "u" * 257}, "user_id"),
        ({"states": states(7)}, "states[0]"),
        ({"resume_token": "x"}, "resume_token"),
        ({"resume_token": "x" * 5000}, "resume_token"),
    ],
)
def test_an_export_that_cannot_be_is_refused_by_field(
    admin: AdminApi, fields: dict[str, Any], bad: str
) -> None:
    """Before anything is given out."""
    assert refused(admin.export, **fields).fields == (bad,)


def test_leaving_an_import_ends_it(managed: Server, admin: AdminApi) -> None:
    """What was answered is in; the call is over on the server too."""
    requests = Requests[pb.ImportSessionsRequest]()
    answers = admin.importing(iter(requests))
    requests.send(pb.ImportSessionsRequest(sessions=[old_session("alice", "a")]))
    next(answers)
    answers.cancel()
    eventually(lambda: admin.stats().totals.imported == 1)
    requests.close()
