"""ExplainSession and DeleteUser over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from sessiond.domain.errors import Reason
from sessiond.domain.ids import new_session_id
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.admin_calls import AdminApi
from tests.rpc.calls import Api, refused
from tests.rpc.serving import Server


@pytest.fixture
def api(managed: Server) -> Api:
    return managed.api("writer")


def test_a_live_session_is_explained_by_any_credential(api: Api, admin: AdminApi) -> None:
    """With the verdict that a validation gives, and what operators alone are told."""
    made = api.create("alice")
    session_id, tokens = made.session.session_id, made.tokens
    for credential in (
        {"session_id": session_id},
        {"access_token": tokens.access_token},
        {"refresh_token": tokens.refresh_token},
    ):
        why = admin.explain(**credential)
        assert why.verdict == pb.VERDICT_ACTIVE
        assert why.session == api.get(session_id)
        assert why.session_id == session_id
        assert (why.indexed, why.generation) == (True, 1)
        assert why.token_generation == (1 if "refresh_token" in credential else 0)
        assert why.forget_time.seconds > made.session.expire_time.seconds
        assert not why.HasField("end_time")
        assert not why.HasField("access_tokens_dead_time")
        assert why.summary


def test_an_ended_session_tells_who_ended_it_and_why(api: Api, admin: AdminApi) -> None:
    """And until when verifiers may still take its access tokens."""
    made = api.create("alice")
    ended = api.revoke(session_id=made.session.session_id).session
    why = admin.explain(refresh_token=made.tokens.refresh_token)
    assert why.verdict == pb.VERDICT_ENDED
    assert (why.end_reason, why.ended_by) == (session_pb2.END_REASON_REVOKED, "writer")
    assert why.end_time == ended.end_time
    assert why.access_tokens_dead_time.seconds > why.end_time.seconds
    assert "writer" in why.summary
    assert "REVOKED" in why.summary


def test_what_was_never_there_is_an_answer_too(admin: AdminApi) -> None:
    """A forged token names no session; an unknown id is not found."""
    unknown = new_session_id("alice")
    why = admin.explain(session_id=unknown)
    assert (why.verdict, why.session_id) == (pb.VERDICT_NOT_FOUND, unknown)
    assert not why.HasField("session")
    forged = admin.explain(access_token="a.b.c")
    assert (forged.verdict, forged.session_id) == (pb.VERDICT_TOKEN_INVALID, "")


@pytest.mark.parametrize(
    ("credential", "bad"),
    [
        ({}, "credential"),
        ({"session_id": "x"}, "session_id"),
        ({"access_token": ""}, "access_token"),
        ({"refresh_token": ""}, "refresh_token"),
    ],
)
def test_a_session_has_to_be_named(admin: AdminApi, credential: dict[str, Any], bad: str) -> None:
    """By one credential of the right form."""
    error = refused(admin.explain, **credential)
    assert (error.reason, error.fields) == (Reason.INVALID_FIELD, (bad,))


def test_a_deleted_user_leaves_no_session(api: Api, admin: AdminApi) -> None:
    """Neither live nor ended; others keep theirs, and a second time there is nothing to do."""
    ids = [api.create("alice").session.session_id for _ in range(3)]
    kept = api.create("bob").session.session_id
    api.revoke(session_id=ids[0])
    deleted = admin.delete_user("alice")
    assert (deleted.ended_sessions, deleted.erased_sessions) == (2, 1)
    assert not api.list("alice").sessions
    assert {refused(api.get, session_id).reason for session_id in ids} == {Reason.SESSION_NOT_FOUND}
    assert api.get(kept).state == session_pb2.Session.STATE_ACTIVE
    why = admin.explain(session_id=ids[1])
    assert (why.end_reason, why.session_id) == (session_pb2.END_REASON_USER_DELETED, ids[1])
    again = admin.delete_user("alice")
    assert (again.ended_sessions, again.erased_sessions) == (0, 0)
    assert [user.user_id for user in admin.users().users] == ["bob"]


@pytest.mark.parametrize("user", ["", "u" * 257])
def test_a_user_to_delete_has_to_be_named(admin: AdminApi, user: str) -> None:
    """By a user id."""
    assert refused(admin.delete_user, user).fields == ("user_id",)
