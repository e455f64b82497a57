"""CreateSession over the wire, in plaintext and over TLS."""

from __future__ import annotations

import uuid

from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import Api, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import Server

CLIENT = session_pb2.Client(
    user_agent="Mozilla/5.0",
    ip_address="192.0.2.7",
    device_id="phone-1",
    device_name="Jane's phone",
    fingerprint="f" * 40,
)
DAY_S = 86_400


def test_a_new_session_holds_what_the_login_said(caller: Api, user: str) -> None:
    """Every field of the request is found again in the answer."""
    authentication = session_pb2.Authentication(methods=["pwd", "otp"], acr="urn:example:silver")
    authentication.time.FromJsonString("2026-01-31T12:00:00.123Z")
    made = caller.create(
        user,
        client=CLIENT,
        attributes={"theme": "dark", "plan": ""},
        authentication=authentication,
        audience=["https://api.example", "billing"],
    ).session
    assert made.client == CLIENT
    assert dict(made.attributes) == {"theme": "dark", "plan": ""}
    assert made.authentication == authentication
    assert list(made.audience) == ["https://api.example", "billing"]
    assert (made.user_id, made.profile) == (user, "default")
    assert made.state == session_pb2.Session.STATE_ACTIVE
    assert not made.HasField("end_time")
    assert caller.get(made.session_id) == made


def test_a_session_lives_seven_idle_days_and_ninety_in_all(caller: Api, user: str) -> None:
    """The lifetimes are the defaults unless the login asks for shorter ones."""
    made = caller.create(user).session
    start = made.create_time.ToMilliseconds()
    assert made.expire_time.ToMilliseconds() - start == 7 * DAY_S * 1000
    assert made.absolute_expire_time.ToMilliseconds() - start == 90 * DAY_S * 1000


def test_a_login_may_ask_for_shorter_lifetimes(caller: Api, user: str) -> None:
    """The expiry is the earlier of the two, to the millisecond."""
    request = pb.CreateSessionRequest(user_id=user)
    request.idle_lifetime.FromMilliseconds(90_500)
    request.absolute_lifetime.FromMilliseconds(60_250)
    made = caller.call(request).session
    start = made.create_time.ToMilliseconds()
    assert made.expire_time.ToMilliseconds() - start == 60_250
    assert made.absolute_expire_time == made.expire_time


def test_eleven_creates_leave_ten_and_name_the_first(caller: Api, user: str) -> None:
    """The oldest session makes room at the cap, and the answer says so."""
    made = [caller.create(user) for _ in range(11)]
    ids = [answer.session.session_id for answer in made]
    assert [len(answer.evicted_sessions) for answer in made] == [0] * 10 + [1]
    evicted = made[-1].evicted_sessions[0]
    assert evicted.session_id == ids[0]
    assert evicted.state == session_pb2.Session.STATE_ENDED
    assert evicted.end_reason == session_pb2.END_REASON_EVICTED_BY_CAP
    live = caller.list(user, states=[session_pb2.Session.STATE_ACTIVE]).sessions
    assert [session.session_id for session in live] == ids[:0:-1]


def test_a_create_retried_with_one_request_id_makes_one_session(caller: Api, user: str) -> None:
    """The retry gets the same session and refresh token (AIP-155)."""
    request_id = str(uuid.uuid4())
    first = caller.create(user, request_id=request_id)
    again = caller.create(user, request_id=request_id)
    assert again.session == first.session
    assert again.tokens.refresh_token == first.tokens.refresh_token
    assert len(caller.list(user).sessions) == 1


def test_a_create_retried_later_names_the_same_evicted_sessions(serve_with: ServeWith) -> None:
    """A replay tells what the first answer told."""
    api = serve_with(session_cap=1).api()
    old = api.create("alice").session.session_id
    first = api.create("alice", request_id="r1")
    again = api.create("alice", request_id="r1")
    assert [s.session_id for s in first.evicted_sessions] == [old]
    assert [s.session_id for s in again.evicted_sessions] == [old]


def test_two_callers_with_one_request_id_never_see_each_others_session(
    wire: Server, user: str
) -> None:
    """A request id belongs to the caller that made it."""
    mine = wire.api("writer").create(user, request_id="the-same")
    theirs = wire.api("other-writer").create(user, request_id="the-same")
    assert mine.session.session_id != theirs.session.session_id
    assert mine.tokens.refresh_token != theirs.tokens.refresh_token


def test_two_users_with_one_request_id_never_see_each_others_session(
    caller: Api, user: str
) -> None:
    """A request id belongs to the user it was made for."""
    request_id = uuid.uuid4().hex
    first = caller.create(user, request_id=request_id).session
    second = caller.create(f"{user}-2", request_id=request_id).session
    assert first.session_id != second.session_id
    assert second.user_id == f"{user}-2"


def test_a_device_that_logs_in_again_replaces_its_session(caller: Api, user: str) -> None:
    """One live session per device id; the one before ends as REPLACED."""
    first = caller.create(user, client=CLIENT).session
    second = caller.create(user, client=CLIENT)
    assert [s.session_id for s in second.evicted_sessions] == [first.session_id]
    assert second.evicted_sessions[0].end_reason == session_pb2.END_REASON_REPLACED


def test_a_login_may_name_the_session_it_replaces(caller: Api, user: str) -> None:
    """It ends; naming it once more is no error."""
    first = caller.create(user).session
    second = caller.create(user, replaces_session_id=first.session_id)
    third = caller.create(user, replaces_session_id=first.session_id)
    assert [s.session_id for s in second.evicted_sessions] == [first.session_id]
    assert not third.evicted_sessions


def test_profiles_have_caps_of_their_own_and_one_list(serve_with: ServeWith) -> None:
    """The cap counts within one profile; "reject" ends nothing."""
    profiles = {"bank": {"session_cap": 1, "at_cap": "reject"}, "web": {"session_cap": 2}}
    api = serve_with(profiles=profiles).api()
    kept = api.create("alice", profile="bank").session.session_id
    for _ in range(3):
        api.create("alice", profile="web")
    assert refused(api.create, "alice", profile="bank").reason == "SESSION_LIMIT_REACHED"
    live = api.list("alice", states=[session_pb2.Session.STATE_ACTIVE]).sessions
    assert sorted(session.profile for session in live) == ["bank", "web", "web"]
    assert kept in {session.session_id for session in live}
