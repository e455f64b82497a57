"""RefreshSession and ExtendSession over the wire, in plaintext and over TLS."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode

from sessiond.domain.errors import Reason
from sessiond.tokens import keymaker
from sessiond.tokens.keyfiles import Kind
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import Api, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import eventually

Answer = pb.RefreshSessionResponse


def _next_millisecond() -> None:
    now_ms = time.time_ns() // 1_000_000
    eventually(lambda: time.time_ns() // 1_000_000 > now_ms)


def test_refreshing_many_times_keeps_the_id_and_moves_the_expiry(caller: Api, user: str) -> None:
    """One session, one id, a later expiry each time."""
    made = caller.create(user)
    token, expiry = made.tokens.refresh_token, made.session.expire_time.ToMilliseconds()
    for _ in range(12):
        _next_millisecond()
        answer = caller.refresh(token)
        token = answer.tokens.refresh_token
        assert answer.session.session_id == made.session.session_id
        assert answer.previous_expire_time.ToMilliseconds() == expiry
        assert answer.session.expire_time.ToMilliseconds() > expiry
        assert answer.tokens.refresh_token_expire_time == answer.session.expire_time
        expiry = answer.session.expire_time.ToMilliseconds()
    assert len(caller.list(user).sessions) == 1


def test_no_refresh_goes_past_the_absolute_expiry(caller: Api, user: str) -> None:
    """The absolute expiry never moves, and an extension says that nothing was extended."""
    request = pb.CreateSessionRequest(user_id=user)
    request.idle_lifetime.FromSeconds(60)
    request.absolute_lifetime.FromSeconds(60)
    made = caller.call(request)
    _next_millisecond()
    refreshed = caller.refresh(made.tokens.refresh_token).session
    extended = caller.extend(made.session.session_id)
    assert refreshed.expire_time == made.session.absolute_expire_time
    assert refreshed.absolute_expire_time == made.session.absolute_expire_time
    assert not extended.extended
    assert extended.previous_expire_time == extended.session.expire_time


def test_a_refresh_updates_what_it_says_of_the_client(caller: Api, user: str) -> None:
    """Given details replace the stored ones, empty ones leave them, the device id stays."""
    before = session_pb2.Client(user_agent="old", ip_address="192.0.2.1", device_id="d1")
    made = caller.create(user, client=before)
    now = session_pb2.Client(user_agent="new", ip_address="2001:db8::2", device_id="d2")
    after = caller.refresh(made.tokens.refresh_token, client=now).session.client
    assert (after.user_agent, after.ip_address, after.device_id) == ("new", "2001:db8::2", "d1")
    client = session_pb2.Client(device_name="laptop")
    kept = caller.extend(made.session.session_id, client=client).session.client
    assert (kept.user_agent, kept.device_name) == ("new", "laptop")


def test_extending_by_id_moves_the_expiry_and_gives_no_token(caller: Api, user: str) -> None:
    """For callers that hold only the session's id."""
    made = caller.create(user).session
    _next_millisecond()
    answer = caller.extend(made.session_id)
    assert answer.extended
    assert answer.previous_expire_time == made.expire_time
    assert answer.session.expire_time.ToMilliseconds() > made.expire_time.ToMilliseconds()
    assert answer.session.refresh_time.ToMilliseconds() > made.create_time.ToMilliseconds()


def test_a_refresh_right_after_another_keeps_the_token(caller: Api, user: str) -> None:
    """A token minted within the grace time is current: it stays."""
    made = caller.create(user)
    answer = caller.refresh(made.tokens.refresh_token)
    assert answer.outcome == Answer.OUTCOME_CURRENT
    assert answer.tokens.refresh_token == made.tokens.refresh_token


def test_a_replay_within_the_grace_time_gives_the_identical_token(serve_with: ServeWith) -> None:
    """After a rotation, across a rotation of the MAC key too."""
    server = serve_with(grace_time="2s", key_publish_time="0s", key_reload_interval="20ms")
    api = server.api()
    first = api.create("alice").tokens.refresh_token
    eventually(lambda: api.refresh(first).outcome == Answer.OUTCOME_ROTATED)
    current = api.refresh(first).tokens.refresh_token
    keymaker.rotate(server.settings.effective_keys_dir, Kind.MAC)
    eventually(lambda: _key(api.create("bob").tokens.refresh_token) != _key(first))
    replay = api.refresh(first)
    assert replay.outcome == Answer.OUTCOME_REPLAYED
    assert replay.tokens.refresh_token == current
    assert _key(current) == _key(first)


def test_a_retry_by_request_id_is_replayed_after_the_grace_time(serve_with: ServeWith) -> None:
    """With the same request id the identical token comes back, across a MAC key rotation too."""
    server = serve_with(grace_time="0s", key_publish_time="0s", key_reload_interval="20ms")
    api = server.api()
    first = api.create("alice").tokens.refresh_token
    rotated = api.refresh(first, request_id="once")
    keymaker.rotate(server.settings.effective_keys_dir, Kind.MAC)
    eventually(lambda: _key(api.create("bob").tokens.refresh_token) != _key(first))
    replay = api.refresh(first, request_id="once")
    assert (rotated.outcome, replay.outcome) == (Answer.OUTCOME_ROTATED, Answer.OUTCOME_REPLAYED)
    assert replay.tokens.refresh_token == rotated.tokens.refresh_token
    moved = api.refresh(replay.tokens.refresh_token)
    assert moved.outcome == Answer.OUTCOME_ROTATED
    assert _key(moved.tokens.refresh_token) != _key(first)


def test_another_callers_request_id_is_no_retry(serve_with: ServeWith) -> None:
    """With one request id, a superseded token in other hands still ends the session."""
    server = serve_with(grace_time="0s")
    first = server.api("writer").create("alice").tokens.refresh_token
    server.api("writer").refresh(first, request_id="once")
    error = refused(server.api("other-writer").refresh, first, request_id="once")
    assert error.reason == Reason.REFRESH_TOKEN_REUSED


def test_without_a_grace_time_rotation_is_strict(serve_with: ServeWith) -> None:
    """Every refresh rotates, and the token before it ends the session."""
    api = serve_with(grace_time="0s").api()
    made = api.create("alice")
    token = made.tokens.refresh_token
    seen = [token]
    for _ in range(3):
        answer = api.refresh(seen[-1])
        assert answer.outcome == Answer.OUTCOME_ROTATED
        seen.append(answer.tokens.refresh_token)
    assert len(set(seen)) == 4
    assert refused(api.refresh, seen[-2]).reason == Reason.REFRESH_TOKEN_REUSED
    assert refused(api.refresh, seen[-1]).reason == Reason.SESSION_ENDED
    ended = api.get(made.session.session_id)
    assert ended.end_reason == session_pb2.END_REASON_TOKEN_REUSED
    assert ended.ended_by == ""


def _key(refresh_token: str) -> bytes:
    return urlsafe_b64decode(refresh_token.removeprefix("srt1_"))[:4]
