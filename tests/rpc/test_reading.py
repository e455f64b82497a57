"""Get, list, update and validate over the wire, in plaintext and over TLS."""

from __future__ import annotations

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from sessiond.domain.errors import Reason
from sessiond.domain.ids import new_session_id
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import Api, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import eventually

State = session_pb2.Session


def test_pages_hold_every_session_once_newest_first(caller: Api, user: str) -> None:
    """Live ones first, then the ended ones, latest end first; a page is as long as asked."""
    made = [caller.create(user).session.session_id for _ in range(7)]
    for session_id in (made[4], made[2]):
        caller.revoke(session_id=session_id)
    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        page = caller.list(user, page_size=3, page_token=token)
        pages.append([session.session_id for session in page.sessions])
        token = page.next_page_token
    assert [len(page) for page in pages] == [3, 3, 1]
    expected = [made[i] for i in (6, 5, 3, 1, 0, 2, 4)]
    assert [session_id for page in pages for session_id in page] == expected


def test_a_list_shows_the_states_asked_for(caller: Api, user: str) -> None:
    """A filter of states; unspecified stands for any."""
    live, ended = (caller.create(user).session.session_id for _ in range(2))
    caller.revoke(session_id=ended)

    def listed(*states: State.State.ValueType) -> list[str]:
        return [s.session_id for s in caller.list(user, states=states).sessions]

    assert listed(State.STATE_ACTIVE) == [live]
    assert listed(State.STATE_ENDED) == [ended]
    assert listed(State.STATE_EXPIRED) == []
    assert listed(State.STATE_UNSPECIFIED) == listed() == [live, ended]


def test_a_page_token_is_good_for_its_own_list_only(caller: Api, user: str) -> None:
    """Another user's or another filter's token is refused by name."""
    for _ in range(2):
        caller.create(user)
    token = caller.list(user, page_size=1).next_page_token
    assert refused(caller.list, f"{user}-2", page_token=token).fields == ("page_token",)
    active = [State.STATE_ACTIVE]
    assert refused(caller.list, user, page_token=token, states=active).fields == ("page_token",)


def test_an_update_replaces_all_attributes_or_those_of_its_mask(caller: Api, user: str) -> None:
    """An empty mask replaces all; a path sets one, or removes it if it is not given (AIP-134)."""
    made = caller.create(user, attributes={"a": "1", "b": "2"}).session
    mask = FieldMask(paths=["attributes.b", "attributes.c.d"])
    merged = caller.update(made.session_id, attributes={"c.d": "3"}, update_mask=mask)
    assert dict(merged.attributes) == {"a": "1", "c.d": "3"}
    replaced = caller.update(made.session_id, attributes={"only": "this"})
    assert dict(replaced.attributes) == {"only": "this"}
    emptied = caller.update(made.session_id, update_mask=FieldMask(paths=["attributes"]))
    assert not emptied.attributes
    assert caller.get(made.session_id) == emptied


def test_an_update_with_an_old_etag_changes_nothing(caller: Api, user: str) -> None:
    """Only updates move the etag; a stale one is refused with the current one (AIP-154)."""
    made = caller.create(user).session
    caller.extend(made.session_id)
    updated = caller.update(made.session_id, attributes={"n": "1"}, etag=made.etag)
    assert updated.etag != made.etag
    error = refused(caller.update, made.session_id, attributes={"n": "2"}, etag=made.etag)
    assert (error.code, error.reason) == (grpc.StatusCode.ABORTED, Reason.ETAG_MISMATCH)
    assert error.metadata["etag"] == updated.etag
    assert dict(caller.get(made.session_id).attributes) == {"n": "1"}


def test_the_retry_of_an_update_is_known_by_its_request_id(caller: Api, user: str) -> None:
    """It is answered like its first try; somebody else's wish of the same is refused."""
    made = caller.create(user).session
    wish = pb.UpdateSessionRequest(
        session_id=made.session_id, attributes={"claimed_by": "a worker"}, etag=made.etag
    ).SerializeToString()
    first = caller.raw("UpdateSession", wish, metadata=(("x-request-id", "one"),))
    assert caller.raw("UpdateSession", wish, metadata=(("x-request-id", "one"),)) == first
    for other in ((("x-request-id", "two"),), ()):
        error = refused(caller.raw, "UpdateSession", wish, metadata=other)
        assert error.reason == Reason.ETAG_MISMATCH


def test_each_credential_of_a_live_session_is_active(caller: Api, user: str) -> None:
    """Access token, refresh token and id alike; none of them is rotated."""
    made = caller.create(user)
    for credential in (
        {"access_token": made.tokens.access_token},
        {"refresh_token": made.tokens.refresh_token},
        {"session_id": made.session.session_id},
    ):
        answer = caller.validate(**credential)
        assert answer.verdict == pb.VERDICT_ACTIVE
        assert answer.session == made.session


def test_an_access_token_for_another_audience_is_invalid(caller: Api, user: str) -> None:
    """The audience is checked where the caller names one (RFC 9068, 4)."""
    token = caller.create(user, audience=["billing", "mail"]).tokens.access_token
    assert caller.validate(access_token=token, audience="mail").verdict == pb.VERDICT_ACTIVE
    other = caller.validate(access_token=token, audience="sessionstore")
    assert other.verdict == pb.VERDICT_TOKEN_INVALID
    assert not other.HasField("session")


def test_an_ended_session_says_why_for_each_credential(caller: Api, user: str) -> None:
    """Also through tokens that are good in themselves."""
    made = caller.create(user)
    caller.revoke(session_id=made.session.session_id, reason=session_pb2.END_REASON_LOGOUT)
    for credential in (
        {"access_token": made.tokens.access_token},
        {"refresh_token": made.tokens.refresh_token},
        {"session_id": made.session.session_id},
    ):
        answer = caller.validate(**credential)
        assert answer.verdict == pb.VERDICT_ENDED
        assert answer.end_reason == session_pb2.END_REASON_LOGOUT
        assert not answer.HasField("session")


def test_an_expired_session_says_so_and_when(caller: Api, user: str) -> None:
    """EXPIRED with the limit that it ran into, to the millisecond."""
    request = pb.CreateSessionRequest(user_id=user)
    request.idle_lifetime.FromSeconds(1)
    made = caller.call(request)
    expired = {"session_id": made.session.session_id}
    eventually(lambda: caller.validate(**expired).verdict != pb.VERDICT_ACTIVE)
    answer = caller.validate(**expired)
    assert answer.verdict == pb.VERDICT_EXPIRED
    assert answer.end_reason == session_pb2.END_REASON_IDLE
    assert caller.get(made.session.session_id).end_time == made.session.expire_time
    error = refused(caller.refresh, made.tokens.refresh_token)
    assert error.reason == Reason.SESSION_EXPIRED


def test_a_visited_user_lists_no_expired_session(serve_with: ServeWith) -> None:
    """The reaper takes it from the list; it still says for an hour that it expired."""
    api = serve_with(reaper_interval="320ms", idle_lifetime="1s").api()
    session_id = api.create("alice").session.session_id
    assert len(api.list("alice").sessions) == 1
    eventually(
        lambda: not api.list("alice", states=[State.STATE_ACTIVE, State.STATE_EXPIRED]).sessions
    )
    assert api.validate(session_id=session_id).verdict == pb.VERDICT_EXPIRED


def test_a_superseded_refresh_token_validates_as_invalid(serve_with: ServeWith) -> None:
    """And is not counted as a reuse: validation changes nothing."""
    api = serve_with(grace_time="0s").api()
    first = api.create("alice").tokens.refresh_token
    second = api.refresh(first).tokens.refresh_token
    assert api.validate(refresh_token=first).verdict == pb.VERDICT_TOKEN_INVALID
    assert api.validate(refresh_token=second).verdict == pb.VERDICT_ACTIVE


def test_a_batch_of_a_thousand_is_answered_in_order(caller: Api, user: str) -> None:
    """Mixed credentials, good and bad, each with its own verdict."""
    made = caller.create(user)
    gone = caller.create(user).session.session_id
    caller.revoke(session_id=gone)
    kinds = (
        ({"access_token": made.tokens.access_token}, pb.VERDICT_ACTIVE),
        ({"session_id": gone}, pb.VERDICT_ENDED),
        ({"refresh_token": "srt1_nonsense"}, pb.VERDICT_TOKEN_INVALID),
        ({"session_id": new_session_id(user)}, pb.VERDICT_NOT_FOUND),
    )
    asked = [kinds[i % 7 % 4] for i in range(1000)]
    results = caller.validate_many([pb.ValidateSessionRequest(**k) for k, _ in asked])
    assert [result.verdict for result in results] == [verdict for _, verdict in asked]


def test_a_batch_of_a_thousand_of_the_largest_sessions_fits_an_answer(
    caller: Api, user: str
) -> None:
    """Within the 4 MiB that gRPC clients accept by default."""
    client = {
        "user_agent": "u" * 512, "ip_address": "i" * 64, "device_id": "d" * 128,
        "device_name": "n" * 128, "fingerprint": "f" * 128,
    }  # fmt: skip
    largest = caller.create(
        user.ljust(256, "x"),
        client=session_pb2.Client(**client),
        attributes={f"key-{i:02}": "v" * 9 for i in range(32)},
        authentication=session_pb2.Authentication(methods=["m" * 32] * 8, acr="a" * 128),
        audience=["a" * 64] * 8,
    ).session
    request = pb.ValidateSessionRequest(session_id=largest.session_id)
    results = caller.validate_many([request] * 1000)
    assert [result.session.session_id for result in results] == [largest.session_id] * 1000
