"""Each method sends what it is given and gives what it is sent."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from sessionstore import (
    Authentication,
    ClientInfo,
    Credential,
    EndReason,
    InternalError,
    Outcome,
    Session,
    State,
    Verdict,
)
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.client import messages
from tests.client.conftest import Sessions
from tests.client.fake_service import FakeService

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

ALL_DETAILS = ClientInfo(
    user_agent="curl/8",
    ip_address="203.0.113.7",
    device_id="d1",
    device_name="Laptop",
    fingerprint="f1",
)

SESSION = Session(
    id="s1",
    user_id="alice",
    profile="web",
    state=State.ACTIVE,
    end_reason=None,
    client=ClientInfo(
        user_agent="curl/8",
        ip_address="203.0.113.7",
        device_id="d1",
        device_name="Laptop",
        fingerprint="f1",
        cut_fields=("user_agent",),
    ),
    attributes={"theme": "dark"},
    authentication=Authentication(methods=("pwd", "otp"), acr="2", time=messages.at(0)),
    audience=("api",),
    create_time=messages.at(1),
    expire_time=messages.at(2),
    absolute_expire_time=messages.at(3),
    refresh_time=messages.at(4),
    last_seen_time=messages.at(5),
    end_time=None,
    ended_by="",
    etag="3",
)


def request(service: FakeService, method: str) -> Any:
    (received,) = service.received[method]
    return received.request


async def test_create_sends_every_detail(service: FakeService, sessions: Sessions) -> None:
    await sessions.create(
        "alice",
        profile="web",
        client=ALL_DETAILS,
        attributes={"theme": "dark"},
        authentication=Authentication(methods=("pwd", "otp"), acr="2", time=messages.at(0)),
        audience=["api"],
        idle_lifetime=timedelta(minutes=5),
        absolute_lifetime=timedelta(hours=1, milliseconds=500),
        replaces_session_id="s0",
        request_id="r1",
    )

    sent = request(service, "CreateSession")
    client = messages.session().client
    client.ClearField("cut_fields")
    assert sent == pb.CreateSessionRequest(
        user_id="alice",
        profile="web",
        client=client,
        attributes={"theme": "dark"},
        authentication=messages.session().authentication,
        audience=["api"],
        idle_lifetime=Duration(seconds=300),
        absolute_lifetime=Duration(seconds=3600, nanos=500_000_000),
        replaces_session_id="s0",
        request_id="r1",
    )


async def test_create_leaves_out_what_is_not_given(
    service: FakeService, sessions: Sessions
) -> None:
    await sessions.create("alice")

    sent = request(service, "CreateSession")
    assert UUID.fullmatch(sent.request_id)
    assert sent == pb.CreateSessionRequest(user_id="alice", request_id=sent.request_id)


async def test_create_gives_the_session_its_tokens_and_who_made_room(
    service: FakeService, sessions: Sessions
) -> None:
    service.answer(
        "CreateSession",
        pb.CreateSessionResponse(
            session=messages.session(),
            tokens=messages.tokens(),
            evicted_sessions=[messages.ended_session("a"), messages.ended_session("b")],
        ),
    )

    created = await sessions.create("alice")

    assert created.session == SESSION
    assert created.session.active
    assert created.tokens.access_token == messages.ACCESS_TOKEN
    assert created.tokens.access_token_expire_time == messages.at(7)
    assert created.tokens.refresh_token == messages.REFRESH_TOKEN
    assert created.tokens.refresh_token_expire_time == messages.at(8)
    assert [evicted.id for evicted in created.evicted_sessions] == ["a", "b"]
    evicted = created.evicted_sessions[0]
    assert (evicted.state, evicted.active) == (State.ENDED, False)
    assert evicted.end_reason is EndReason.EVICTED_BY_CAP
    assert (evicted.end_time, evicted.ended_by) == (messages.at(6), "web-frontend")


async def test_times_are_utc_to_the_microsecond(service: FakeService, sessions: Sessions) -> None:
    service.answer("GetSession", pb.GetSessionResponse(session=messages.session()))

    session = await sessions.get("s1")

    assert session.create_time.utcoffset() == timedelta(0)
    assert session.create_time.microsecond == 123456


async def test_refresh_gives_the_outcome(service: FakeService, sessions: Sessions) -> None:
    service.answer(
        "RefreshSession",
        pb.RefreshSessionResponse(
            session=messages.session(),
            tokens=messages.tokens(),
            outcome=pb.RefreshSessionResponse.OUTCOME_RECOVERED,
            previous_expire_time=messages.stamp(messages.at(9)),
        ),
    )

    refreshed = await sessions.refresh(messages.REFRESH_TOKEN, client=ClientInfo(user_agent="x"))

    sent = request(service, "RefreshSession")
    assert sent.refresh_token == messages.REFRESH_TOKEN
    assert sent.client == session_pb2.Client(user_agent="x")
    assert UUID.fullmatch(sent.request_id)
    assert refreshed.session == SESSION
    assert refreshed.tokens.refresh_token == messages.REFRESH_TOKEN
    assert refreshed.outcome is Outcome.RECOVERED
    assert refreshed.previous_expire_time == messages.at(9)


async def test_extend_says_whether_the_expiry_moved(
    service: FakeService, sessions: Sessions
) -> None:
    service.answer(
        "ExtendSession",
        pb.ExtendSessionResponse(
            session=messages.session(),
            previous_expire_time=messages.stamp(messages.at(9)),
            extended=True,
        ),
    )

    extended = await sessions.extend("s1", client=ClientInfo(ip_address="203.0.113.9"))

    assert request(service, "ExtendSession") == pb.ExtendSessionRequest(
        session_id="s1", client=session_pb2.Client(ip_address="203.0.113.9")
    )
    assert (extended.session, extended.extended) == (SESSION, True)
    assert extended.previous_expire_time == messages.at(9)


@pytest.mark.parametrize("kind", ["access_token", "session_id", "refresh_token"])
async def test_validate_names_the_session_by_one_credential(
    service: FakeService, sessions: Sessions, kind: str
) -> None:
    service.answer(
        "ValidateSession",
        pb.ValidateSessionResponse(verdict=pb.VERDICT_ACTIVE, session=messages.session()),
    )

    validation = await sessions.validate(**{kind: "it"}, audience="api")

    sent = request(service, "ValidateSession")
    assert (sent.WhichOneof("credential"), getattr(sent, kind), sent.audience) == (
        kind,
        "it",
        "api",
    )
    assert validation.active
    assert validation
    assert validation.session == SESSION
    assert validation.end_reason is None


async def test_a_session_that_is_not_live_is_false_in_a_condition(
    service: FakeService, sessions: Sessions
) -> None:
    service.answer(
        "ValidateSession",
        pb.ValidateSessionResponse(
            verdict=pb.VERDICT_ENDED, end_reason=session_pb2.END_REASON_LOGOUT
        ),
    )

    validation = await sessions.validate(session_id="s1")

    assert not validation
    assert not validation.active
    assert validation.verdict is Verdict.ENDED
    assert validation.end_reason is EndReason.LOGOUT
    assert validation.session is None


@pytest.mark.parametrize("given", [{}, {"access_token": "a", "session_id": "s"}])
async def test_validate_takes_exactly_one_credential(
    sessions: Sessions, given: dict[str, str]
) -> None:
    with pytest.raises(TypeError, match="exactly one"):
        await sessions.validate(**given)


async def test_an_empty_credential_is_still_sent(service: FakeService, sessions: Sessions) -> None:
    await sessions.validate(access_token="")

    assert request(service, "ValidateSession").WhichOneof("credential") == "access_token"


async def test_update_sets_and_removes_by_key(service: FakeService, sessions: Sessions) -> None:
    service.answer("UpdateSession", pb.UpdateSessionResponse(session=messages.session()))

    session = await sessions.set_attributes("s1", {"a.b": "1"}, remove=["old"], etag="2")

    sent = request(service, "UpdateSession")
    assert list(sent.update_mask.paths) == ["attributes.a.b", "attributes.old"]
    assert dict(sent.attributes) == {"a.b": "1"}
    assert sent.etag == "2"
    assert session == SESSION


async def test_update_replaces_all(service: FakeService, sessions: Sessions) -> None:
    await sessions.replace_attributes("s1", {"a": "1"})

    sent = request(service, "UpdateSession")
    assert list(sent.update_mask.paths) == ["attributes"]
    assert (dict(sent.attributes), sent.etag) == ({"a": "1"}, "")


@pytest.mark.parametrize(("attributes", "remove"), [({}, ()), ({"a": "1"}, ["a"])])
async def test_an_update_that_says_nothing_or_two_things_is_refused(
    service: FakeService, sessions: Sessions, attributes: dict[str, str], remove: list[str]
) -> None:
    with pytest.raises(ValueError, match="set"):
        await sessions.set_attributes("s1", attributes, remove=remove)
    assert not service.received


async def test_revoke_gives_the_ended_session(service: FakeService, sessions: Sessions) -> None:
    service.answer(
        "RevokeSession",
        pb.RevokeSessionResponse(session=messages.ended_session(), replicas_confirmed=0),
    )

    ended = await sessions.revoke(session_id="s0", reason=EndReason.LOGOUT)

    assert request(service, "RevokeSession") == pb.RevokeSessionRequest(
        session_id="s0", reason=session_pb2.END_REASON_LOGOUT
    )
    assert ended.session.end_reason is EndReason.EVICTED_BY_CAP
    assert ended.replicas_confirmed == 0


async def test_revoking_an_unknown_session_gives_none(
    service: FakeService, sessions: Sessions
) -> None:
    ended = await sessions.revoke(refresh_token=messages.REFRESH_TOKEN)

    assert ended.session is None
    assert ended.replicas_confirmed is None

    assert request(service, "RevokeSession") == pb.RevokeSessionRequest(
        refresh_token=messages.REFRESH_TOKEN
    )


async def test_revoke_takes_exactly_one_credential(sessions: Sessions) -> None:
    with pytest.raises(TypeError, match="exactly one"):
        await sessions.revoke()


async def test_revoke_user_gives_the_ids_that_ended(
    service: FakeService, sessions: Sessions
) -> None:
    service.answer(
        "RevokeUserSessions",
        pb.RevokeUserSessionsResponse(session_ids=["a", "b"], replicas_confirmed=2),
    )

    ended = await sessions.revoke_user(
        "alice", except_session_id="s1", reason=EndReason.REVOKED_OTHERS
    )

    sent = request(service, "RevokeUserSessions")
    assert ended.session_ids == ("a", "b")
    assert ended.replicas_confirmed == 2
    assert (sent.user_id, sent.except_session_id) == ("alice", "s1")
    assert sent.reason == session_pb2.END_REASON_REVOKED_OTHERS
    assert UUID.fullmatch(sent.request_id)


async def test_adopt_gives_the_session_and_its_tokens(
    service: FakeService, sessions: Sessions
) -> None:
    """The old id is sent as it is; the answer carries tokens as that of a login does."""
    service.answer(
        "AdoptSession",
        pb.AdoptSessionResponse(session=messages.session(), tokens=messages.tokens()),
    )

    adopted = await sessions.adopt("alice", "old-1")

    sent = request(service, "AdoptSession")
    assert (sent.user_id, sent.external_id) == ("alice", "old-1")
    assert UUID.fullmatch(sent.request_id)
    assert adopted.session == SESSION
    assert adopted.tokens.refresh_token == messages.REFRESH_TOKEN


async def test_signing_keys_are_a_key_set(service: FakeService, sessions: Sessions) -> None:
    okp = {"kid": "1", "kty": "OKP", "alg": "EdDSA", "use": "sig", "crv": "Ed25519", "x": "AA"}
    ec = {
        "kid": "2",
        "kty": "EC",
        "alg": "ES256",
        "use": "sig",
        "crv": "P-256",
        "x": "AA",
        "y": "BB",
    }
    service.answer(
        "GetSigningKeys",
        pb.GetSigningKeysResponse(
            keys=[pb.JsonWebKey(**okp), pb.JsonWebKey(**ec)],
            issuer="https://sessions.example",
            read_time=messages.stamp(messages.at(1)),
            expire_time=messages.stamp(messages.at(2)),
        ),
    )

    keys = await sessions.signing_keys()

    assert keys.as_jwks() == {"keys": [okp, ec]}
    assert keys.issuer == "https://sessions.example"
    assert (keys.read_time, keys.expire_time) == (messages.at(1), messages.at(2))


async def test_a_number_that_a_newer_server_made_up_is_given_as_it_is(
    service: FakeService, sessions: Sessions
) -> None:
    newer: Any = 99
    service.answer(
        "GetSession",
        pb.GetSessionResponse(session=messages.session(state=newer, end_reason=newer)),
    )

    session = await sessions.get("s1")

    assert (session.state, session.end_reason) == ("UNRECOGNIZED_99", "UNRECOGNIZED_99")
    assert isinstance(session.state, State)
    assert not session.active


async def test_a_header_that_is_no_unicode_never_fails_a_login(
    service: FakeService, sessions: Sessions
) -> None:
    await sessions.create("alice", client=ClientInfo(user_agent="caf\u00e9 \udcff"))

    assert request(service, "CreateSession").client.user_agent == "caf\u00e9 ?"


async def test_a_credential_that_is_no_unicode_is_left_to_be_found_not_valid(
    service: FakeService, sessions: Sessions
) -> None:
    await sessions.validate(refresh_token="srt1_\udcff")
    await sessions.refresh("srt1_\udcff")
    await sessions.revoke(refresh_token="srt1_\udcff")

    for method in ("ValidateSession", "RefreshSession", "RevokeSession"):
        assert request(service, method).refresh_token == "srt1_?"


async def test_a_time_without_a_zone_is_refused(sessions: Sessions) -> None:
    naive = datetime(2026, 1, 31)  # noqa: DTZ001
    with pytest.raises(ValueError, match="aware"):
        await sessions.create("alice", authentication=Authentication(time=naive))


async def test_one_string_is_not_taken_for_several(sessions: Sessions) -> None:
    with pytest.raises(TypeError, match="audience"):
        await sessions.create("alice", audience="api")
    with pytest.raises(TypeError, match="states"):
        await sessions.list_page("alice", states=State.ACTIVE)
    with pytest.raises(TypeError, match="remove"):
        await sessions.set_attributes("s1", {}, remove="theme")


async def test_many_are_validated_a_thousand_to_a_call_and_in_order(
    service: FakeService, sessions: Sessions
) -> None:
    def echo(batch: pb.BatchValidateSessionsRequest, _: object) -> Any:
        return pb.BatchValidateSessionsResponse(
            results=[
                pb.ValidateSessionResponse(
                    verdict=pb.VERDICT_ACTIVE, session=messages.session(each.session_id)
                )
                for each in batch.requests
            ]
        )

    service.answer("BatchValidateSessions", echo)
    ids = [f"s{number}" for number in range(2500)]

    answers = await sessions.validate_many(
        (Credential(session_id=each) for each in ids), timeout=60
    )

    sizes = [len(each.request.requests) for each in service.received["BatchValidateSessions"]]
    assert sizes == [1000, 1000, 500]
    assert [answer.session.id for answer in answers] == ids


async def test_a_batch_that_is_not_answered_in_full_is_an_error(
    service: FakeService, sessions: Sessions
) -> None:
    service.answer(
        "BatchValidateSessions",
        pb.BatchValidateSessionsResponse(results=[pb.ValidateSessionResponse()]),
    )

    with pytest.raises(InternalError, match="1 answers to 2"):
        await sessions.validate_many([Credential(session_id="s1"), Credential(session_id="s2")])


async def test_none_are_validated_without_a_call(service: FakeService, sessions: Sessions) -> None:
    assert await sessions.validate_many([]) == ()
    assert not service.received


async def test_list_goes_over_all_pages(service: FakeService, sessions: Sessions) -> None:
    for number, token in enumerate(["p1", "p2", ""]):
        page = pb.ListSessionsResponse(
            sessions=[messages.session(f"{number}a"), messages.session(f"{number}b")],
            next_page_token=token,
        )
        service.answer_once("ListSessions", page)

    listed = await sessions.list("alice", states={State.ACTIVE}, page_size=2)

    assert [session.id for session in listed] == ["0a", "0b", "1a", "1b", "2a", "2b"]
    sent = [received.request for received in service.received["ListSessions"]]
    assert [each.page_token for each in sent] == ["", "p1", "p2"]
    assert all(
        (each.user_id, each.page_size, list(each.states))
        == ("alice", 2, [session_pb2.Session.STATE_ACTIVE])
        for each in sent
    )


async def test_list_page_gives_one_page(service: FakeService, sessions: Sessions) -> None:
    service.answer(
        "ListSessions",
        pb.ListSessionsResponse(sessions=[messages.session()], next_page_token="more"),
    )

    page = await sessions.list_page("alice", page_token="here")

    assert page.sessions == (SESSION,)
    assert page.next_page_token == "more"
    assert request(service, "ListSessions").page_token == "here"
