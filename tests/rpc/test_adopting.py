"""AdoptSession over the wire: an imported session goes on here, with tokens of ours."""

from __future__ import annotations

import grpc
import pytest

from sessiond.domain.errors import Reason
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import Api, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.importing import bring_in
from tests.rpc.serving import Server, eventually


def test_an_adopted_session_lives_on(wire: Server, caller: Api, user: str) -> None:
    """Its id and times stay, its tokens are good, and the first refresh rotates in time."""
    session_id = bring_in(wire, user, "old-1", attributes={"theme": "dark"})
    before = caller.get(session_id)
    adopted = caller.adopt(user, "old-1")
    assert adopted.session == before
    assert adopted.tokens.refresh_token_expire_time == before.expire_time
    for credential in ("access_token", "refresh_token"):
        token = getattr(adopted.tokens, credential)
        assert caller.validate(**{credential: token}).verdict == pb.VERDICT_ACTIVE
    refreshed = caller.refresh(adopted.tokens.refresh_token)
    assert refreshed.session.session_id == session_id
    assert refreshed.session.expire_time.seconds > before.expire_time.seconds


def test_before_its_adoption_a_session_is_known_by_its_id_alone(server: Server, api: Api) -> None:
    """Services that were told the id can validate it, and its user can be logged out."""
    session_id = bring_in(server, "early", "old-1")
    assert api.validate(session_id=session_id).verdict == pb.VERDICT_ACTIVE
    assert api.revoke_user("early") == (session_id,)
    error = refused(api.adopt, "early", "old-1")
    assert (error.reason, error.metadata["session_id"]) == (Reason.SESSION_ENDED, session_id)


def test_a_lost_answer_can_be_asked_for_again(server: Server, api: Api, user: str) -> None:
    """The same request gets the same refresh token; anybody else gets none."""
    session_id = bring_in(server, user, "old-1")
    first = api.adopt(user, "old-1", request_id="mine")
    again = api.adopt(user, "old-1", request_id="mine")
    assert again.session == first.session
    assert again.tokens.refresh_token == first.tokens.refresh_token
    for caller, request_id in ((api, ""), (api, "other"), (server.api("writer"), "mine")):
        error = refused(caller.adopt, user, "old-1", request_id=request_id)
        assert error.code == grpc.StatusCode.FAILED_PRECONDITION
        assert error.reason == Reason.SESSION_ALREADY_ADOPTED
        assert error.metadata == {"session_id": session_id}
    error = refused(api.adopt, user, "old-2", request_id="mine")
    assert error.reason == Reason.REQUEST_ID_REUSED
    api.revoke(session_id=session_id)
    error = refused(api.adopt, user, "old-1", request_id="mine")
    assert (error.reason, error.metadata) == (
        Reason.REPLAY_SUPERSEDED,
        {"session_id": session_id},
    )


def test_a_session_is_adopted_only_under_its_own_name(server: Server, api: Api, user: str) -> None:
    """Neither another user nor another external id finds it."""
    bring_in(server, user, "old-1")
    for other, external_id in ((f"{user}x", "old-1"), (user, "old-2"), (user, "old-1 ")):
        error = refused(api.adopt, other, external_id)
        assert (error.code, error.reason) == (
            grpc.StatusCode.NOT_FOUND,
            Reason.SESSION_NOT_FOUND,
        )
    assert api.adopt(user, "old-1").session.user_id == user


def test_theft_is_noticed_after_an_adoption(serve_with: ServeWith, user: str) -> None:
    """A superseded token of an adopted session ends it."""
    server = serve_with(grace_time="0s")
    api = server.api()
    session_id = bring_in(server, user, "old-1")
    token = api.adopt(user, "old-1").tokens.refresh_token
    api.refresh(token)
    assert refused(api.refresh, token).reason == Reason.REFRESH_TOKEN_REUSED
    assert api.validate(session_id=session_id).verdict == pb.VERDICT_ENDED


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"user_id": "", "external_id": ""}, ("user_id", "external_id")),
        ({"user_id": "a", "external_id": "x" * 1025}, ("external_id",)),
        ({"user_id": "a" * 257, "external_id": "x"}, ("user_id",)),
        ({"user_id": "a", "external_id": "x", "request_id": "r" * 37}, ("request_id",)),
    ],
)
def test_a_bad_adoption_is_refused_by_field(
    api: Api, fields: dict[str, str], bad: tuple[str, ...]
) -> None:
    """Every field that is wrong is named."""
    error = refused(api.call, pb.AdoptSessionRequest(**fields))
    assert (error.reason, error.fields) == (Reason.INVALID_FIELD, bad)


def test_a_server_without_an_import_key_serves_all_else(serve_with: ServeWith, user: str) -> None:
    """A key directory from before there were imports: the key is taken up once it is made."""
    server = serve_with(key_reload_interval="20ms")
    api = server.api()
    bring_in(server, user, "old-1")
    (key,) = (server.settings.effective_keys_dir / "import").iterdir()
    secret = key.read_bytes()
    key.unlink()
    eventually(lambda: refused(api.adopt, user, "old-2").reason == Reason.IMPORT_KEY_MISSING)
    error = refused(api.adopt, user, "old-1")
    assert (error.code, error.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        Reason.IMPORT_KEY_MISSING,
    )
    assert "sessiond keys init" in error.message
    assert api.create(user).session.user_id == user
    key.touch(mode=0o600)
    key.write_bytes(secret)
    eventually(lambda: refused(api.adopt, user, "old-2").reason == Reason.SESSION_NOT_FOUND)
    assert api.adopt(user, "old-1").session.user_id == user
