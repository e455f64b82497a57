"""RevokeSession and RevokeUserSessions over the wire, in plaintext and over TLS."""

from __future__ import annotations

import grpc
import pytest

from sessiond.domain.errors import Reason
from sessiond.domain.ids import new_session_id
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import Api, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import Server

ACTIVE = session_pb2.Session.STATE_ACTIVE


def test_a_session_is_revoked_by_id_and_says_by_whom(caller: Api, user: str) -> None:
    """REVOKED unless another reason is given; what identifies the client is dropped."""
    client = session_pb2.Client(fingerprint="f", user_agent="kept")
    made = caller.create(user, client=client, attributes={"a": "1"}).session
    ended = caller.revoke(session_id=made.session_id).session
    assert ended.state == session_pb2.Session.STATE_ENDED
    assert ended.end_reason == session_pb2.END_REASON_REVOKED
    assert ended.ended_by == "writer"
    assert ended.end_time.ToMilliseconds() >= made.create_time.ToMilliseconds()
    assert (ended.client.fingerprint, ended.client.user_agent) == ("", "kept")
    assert not ended.attributes


def test_revoking_twice_changes_nothing_more(caller: Api, user: str) -> None:
    """The first reason stays."""
    session_id = caller.create(user).session.session_id
    first = caller.revoke(session_id=session_id, reason=session_pb2.END_REASON_LOGOUT)
    second = caller.revoke(session_id=session_id)
    assert second.session == first.session


def test_revoking_an_unknown_session_is_no_error(caller: Api, user: str) -> None:
    """The answer then has no session."""
    assert not caller.revoke(session_id=new_session_id(user)).HasField("session")


def test_a_refresh_token_of_any_generation_revokes(serve_with: ServeWith) -> None:
    """A browser that missed rotations can still log out."""
    api = serve_with(grace_time="0s").api()
    made = api.create("alice")
    token = made.tokens.refresh_token
    for _ in range(3):
        token = api.refresh(token).tokens.refresh_token
    ended = api.revoke(refresh_token=made.tokens.refresh_token).session
    assert ended.session_id == made.session.session_id
    assert ended.end_reason == session_pb2.END_REASON_REVOKED
    assert refused(api.refresh, token).reason == Reason.SESSION_ENDED


@pytest.mark.parametrize("rpc", ["revoke", "revoke_user"])
def test_only_an_admin_revokes_as_an_admin(wire: Server, user: str, rpc: str) -> None:
    """REVOKED_BY_ADMIN by a writer is refused, and nothing ends."""
    writer, admin = wire.api("writer"), wire.api("admin")
    session_id = writer.create(user).session.session_id
    reason = session_pb2.END_REASON_REVOKED_BY_ADMIN
    target = {"session_id": session_id} if rpc == "revoke" else {"user_id": user}
    error = refused(getattr(writer, rpc), **target, reason=reason)
    assert (error.code, error.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        Reason.ROLE_REQUIRED,
    )
    assert error.metadata == {"role": "admin", "caller": "writer"}
    assert writer.get(session_id).state == ACTIVE
    getattr(admin, rpc)(**target, reason=reason)
    assert (writer.get(session_id).end_reason, writer.get(session_id).ended_by) == (reason, "admin")


@pytest.mark.parametrize(
    "reason",
    [
        session_pb2.END_REASON_REVOKED_OTHERS,
        session_pb2.END_REASON_EVICTED_BY_CAP,
        session_pb2.END_REASON_REPLACED,
        session_pb2.END_REASON_TOKEN_REUSED,
        session_pb2.END_REASON_USER_DELETED,
        session_pb2.END_REASON_IDLE,
        session_pb2.END_REASON_ABSOLUTE,
        session_pb2.END_REASON_EXPIRED,
    ],
)
def test_a_caller_cannot_revoke_in_the_name_of_a_rule(
    caller: Api, user: str, reason: session_pb2.EndReason.ValueType
) -> None:
    """Reasons that only the service gives are refused by name."""
    session_id = caller.create(user).session.session_id
    assert refused(caller.revoke, session_id=session_id, reason=reason).fields == ("reason",)
    assert caller.get(session_id).state == ACTIVE


def test_all_sessions_of_a_user_end_at_once(caller: Api, user: str) -> None:
    """Their ids are named, and the user has no live session left."""
    made = {caller.create(user).session.session_id for _ in range(3)}
    assert set(caller.revoke_user(user)) == made
    assert not caller.list(user, states=[ACTIVE]).sessions
    reasons = {session.end_reason for session in caller.list(user).sessions}
    assert reasons == {session_pb2.END_REASON_REVOKED}
    assert caller.revoke_user(user) == ()


def test_log_out_everywhere_else_keeps_one(caller: Api, user: str) -> None:
    """The others end as REVOKED_OTHERS."""
    kept, *others = (caller.create(user).session.session_id for _ in range(3))
    assert set(caller.revoke_user(user, except_session_id=kept)) == set(others)
    assert caller.get(kept).state == ACTIVE
    assert caller.get(others[0]).end_reason == session_pb2.END_REASON_REVOKED_OTHERS


def test_a_late_retry_of_a_revocation_spares_the_newer_login(caller: Api, user: str) -> None:
    """With the same request id the first answer comes back and nothing more ends."""
    old = caller.create(user).session.session_id
    assert caller.revoke_user(user, request_id="r1") == (old,)
    new = caller.create(user).session.session_id
    assert caller.revoke_user(user, request_id="r1") == (old,)
    assert caller.get(new).state == ACTIVE


def test_two_callers_with_one_request_id_revoke_on_their_own(wire: Server, user: str) -> None:
    """One caller's answer is never given to another."""
    writer, other = wire.api("writer"), wire.api("other-writer")
    first = writer.create(user).session.session_id
    assert writer.revoke_user(user, request_id="the-same") == (first,)
    second = writer.create(user).session.session_id
    assert other.revoke_user(user, request_id="the-same") == (second,)


def test_two_users_with_one_request_id_are_revoked_on_their_own(caller: Api, user: str) -> None:
    """One user's answer is never given for another, and create's ids are no others' either."""
    first = caller.create(user, request_id="shared").session.session_id
    second = caller.create(f"{user}-2", request_id="shared").session.session_id
    assert caller.revoke_user(user, request_id="shared") == (first,)
    assert caller.revoke_user(f"{user}-2", request_id="shared") == (second,)


def test_a_revoked_access_token_is_no_longer_active(caller: Api, user: str) -> None:
    """The signature is still good; the session is not."""
    made = caller.create(user)
    caller.revoke_user(user)
    answer = caller.validate(access_token=made.tokens.access_token)
    assert answer.verdict == pb.VERDICT_ENDED
