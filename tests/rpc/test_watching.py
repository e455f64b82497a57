"""WatchSessions: what a stream tells, from its first response to its good end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from sessiond.domain.errors import Reason
from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import refused
from tests.rpc.serving import Server, eventually
from tests.rpc.watching import CREATED, ENDED, EXPIRED, Logs, Watch, watched

HOUR = timedelta(hours=1)
A_WHILE = timedelta(seconds=5)


def test_a_stream_opens_with_the_engines_clock_and_a_snapshot(managed: Server) -> None:
    """Every session of which an access token may look alive; then checkpoints."""
    api = managed.api()
    ended = [api.create(f"user-{i}").session.session_id for i in range(20)]
    for session_id in ended:
        api.revoke(session_id=session_id)
    api.create("lives")
    watch = watched(managed)
    assert watch.opened is not None
    assert abs(datetime.now(UTC) - watch.opened) < A_WHILE
    assert watch.complete
    assert set(watch.snapshot) == set(ended)
    for dead in watch.snapshot.values():
        assert HOUR < dead - watch.opened < HOUR + timedelta(seconds=31)
    assert not watch.events
    watch.checkpoint()
    assert watch.checkpoints[-1] > watch.opened


def test_events_tell_of_creations_and_endings(managed: Server) -> None:
    """With whose session, when, why, and until when its tokens may look alive."""
    api = managed.api()
    watch = watched(managed)
    made = api.create("alice").session
    api.refresh(api.create("bob").tokens.refresh_token)
    api.revoke(session_id=made.session_id)
    watch.until(lambda w: made.session_id in w.ended)
    created, other, ended = watch.events
    assert [created.type, other.type, ended.type] == [CREATED, CREATED, ENDED]
    assert (created.session_id, created.user_id) == (made.session_id, "alice")
    assert (ended.session_id, ended.user_id) == (made.session_id, "alice")
    assert not created.end_reason
    assert not created.HasField("dead_time")
    assert ended.end_reason == session_pb2.END_REASON_REVOKED
    lives_on = ended.dead_time.ToDatetime() - ended.time.ToDatetime()
    assert lives_on == HOUR + timedelta(seconds=30)
    assert len({event.event_id for event in watch.events}) == 3


def test_an_expiry_is_told_when_it_is_noticed(managed: Server) -> None:
    """By the user's next login; it says which limit, and nothing of tokens."""
    api = managed.api()
    api.call(_short_login("alice"))
    watch = watched(managed)
    eventually(lambda: not api.list("alice", states=[session_pb2.Session.STATE_ACTIVE]).sessions)
    api.create("alice")
    watch.until(lambda w: any(event.type == EXPIRED for event in w.events))
    (expired,) = (event for event in watch.events if event.type == EXPIRED)
    assert expired.end_reason == session_pb2.END_REASON_IDLE
    assert not expired.HasField("dead_time")


def test_filters_leave_out_what_was_not_asked_for(managed: Server) -> None:
    """By type, by user, and both; a checkpoint speaks for all that was left out."""
    api = managed.api()
    everything, endings = watched(managed), watched(managed, types=[ENDED])
    alices, both = (
        watched(managed, user_id="alice"),
        watched(managed, user_id="alice", types=[CREATED, CREATED]),
    )
    made = {user: api.create(user).session.session_id for user in ("alice", "bob", "carol")}
    for session_id in made.values():
        api.revoke(session_id=session_id)
    everything.until(lambda w: len(w.ended) == 3)
    assert len(everything.events) == 6
    for watch in (endings, alices, both):
        watch.until(lambda w: w.checkpoints[-1] > everything.events[-1].time.ToDatetime(UTC))
    assert endings.sessions == list(made.values())
    assert alices.sessions == [made["alice"]] * 2
    assert [event.type for event in both.events] == [CREATED]


def test_a_snapshot_is_only_of_what_was_asked_for(managed: Server) -> None:
    """Without endings it is empty; of one user it is that of the user's partition."""
    api = managed.api()
    ended = {user: api.create(user).session.session_id for user in ("alice", "bob")}
    for session_id in ended.values():
        api.revoke(session_id=session_id)
    assert not watched(managed, types=[CREATED, EXPIRED]).snapshot
    assert set(watched(managed, user_id="alice").snapshot) == {ended["alice"]}


def test_a_large_snapshot_comes_in_parts(managed: Server) -> None:
    """Of at most 1,000; the last says so and has the first cursor."""
    logs = Logs.behind(managed)
    dead = {user: logs.bury(user, 1_700) for user in ("alice", "bob")}
    watch = Watch(managed)
    parts = []
    while not watch.complete:
        response = watch.read()
        parts.append(len(response.snapshot.sessions))
        assert bool(response.cursor) == watch.complete
    assert sum(parts) == 3_400
    assert max(parts) == 1_000
    assert set(watch.snapshot) == {*dead["alice"], *dead["bob"]}


@pytest.mark.parametrize(
    ("request_fields", "field"),
    [
        ({"cursor": "A" * 2_049}, "cursor"),
        ({"types": [0]}, "types[0]"),
        ({"types": [ENDED, 4]}, "types[1]"),
        ({"types": [ENDED] * 4}, "types"),
        ({"user_id": "u" * 257}, "user_id"),
    ],
)
def test_a_bad_request_is_refused_by_its_field(
    server: Server, request_fields: dict[str, object], field: str
) -> None:
    """Before anything is told."""
    error = refused(watched, server, **request_fields)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_FIELD)
    assert error.fields == (field,)


def _short_login(user: str) -> pb.CreateSessionRequest:
    request = pb.CreateSessionRequest(user_id=user)
    request.idle_lifetime.FromSeconds(1)
    return request
