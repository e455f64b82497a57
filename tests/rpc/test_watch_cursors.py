"""Cursors: where a stream is resumed, and where it cannot be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessiond.domain.errors import Reason
from sessiond.domain.events import EventFilter
from sessiond.domain.ids import PARTITIONS, partition_of_user
from sessiond.service import cursors
from sessiond.store.log_entries import Place
from sessionstore.v1 import event_pb2
from tests.conftest import rounds
from tests.rpc.calls import outcome, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import Server
from tests.rpc.watching import CREATED, ENDED, Logs, watched

HOUR = timedelta(hours=1)
A_WHILE = timedelta(seconds=5)


def test_a_stream_resumes_exactly_at_its_cursor(managed: Server) -> None:
    """At every cursor that a stream gave: what came after it comes again, and no snapshot."""
    api = managed.api()
    watch = watched(managed)
    came = {watch.cursor: 0}
    for i in range(10):
        api.create(f"user-{i % 3}")
        watch.checkpoint()
        came[watch.cursor] = len(watch.events)
    assert len(watch.events) == 10
    for cursor, count in came.items():
        again = watched(managed, cursor=cursor)
        assert not again.complete
        # Users of different partitions are caught up with one after the other.
        assert sorted(again.events, key=_user) == sorted(watch.events[count:], key=_user)


def _user(event: event_pb2.Event) -> str:
    return event.user_id


def test_a_cursor_is_good_on_every_server_of_the_store(
    managed: Server, serve_with: ServeWith
) -> None:
    """Also one that is ahead of what the other has read."""
    api = managed.api()
    other = serve_with(key_prefix=managed.settings.key_prefix)
    for number in range(rounds(10)):
        user = f"user-{number}"
        watch, listener = watched(managed), watched(other)
        made = [api.create(user).session.session_id for _ in range(3)]
        watch.until(lambda w: len(w.events) == 3)
        moved = watched(other, cursor=watch.cursor)
        assert not moved.events
        last = api.create(user).session.session_id
        assert moved.until(lambda w: w.events).sessions == [last]
        assert listener.until(lambda w: len(w.events) == 4).sessions == [*made, last]
        for stream in (watch, listener, moved):
            stream.close()


def test_a_cursor_from_an_hour_ago_resumes_exactly(managed: Server) -> None:
    """The log is kept for two; thousands of events are caught up with in order."""
    logs = Logs.behind(managed)
    hour_ago_ms = int((datetime.now(UTC) - HOUR).timestamp() * 1000)
    written = [logs.write("alice", 2, at=f"{hour_ago_ms + i}-*") for i in range(5)]
    cursor = watched(managed).cursor
    later = {
        user: [
            session
            for i in range(4)
            for session in logs.write(user, 700, at=f"{hour_ago_ms + 100_000 * (i + 1)}-*")
        ]
        for user in ("alice", "bob", "carol")
    }
    again = watched(managed, cursor=cursor)
    assert len(again.events) == 3 * 2_800
    for user, sessions in later.items():
        assert [e.session_id for e in again.events if e.user_id == user] == sessions
    assert len(written) == 5


def test_a_cursor_before_the_logs_beginning_is_too_old(managed: Server) -> None:
    """And begun anew, a stream misses nothing."""
    logs = Logs.behind(managed)
    logs.write("alice", 3)
    watch = watched(managed)
    logs.write("alice", 3)
    logs.trim("alice", 3)
    watched(managed, cursor=watch.cursor)
    logs.trim("alice", 2)
    error = refused(watched, managed, cursor=watch.cursor)
    assert (error.code, error.reason) == (grpc.StatusCode.OUT_OF_RANGE, Reason.CURSOR_TOO_OLD)
    assert error.retry_s is None


@pytest.mark.parametrize("filters", [{}, {"types": [ENDED]}, {"user_id": "alice"}])
def test_a_cursor_is_for_streams_with_the_same_filters(
    managed: Server, filters: dict[str, Any]
) -> None:
    """INVALID_FIELD for any other; the order of types is none of the filter's."""
    others: list[dict[str, Any]] = [
        {}, {"types": [ENDED]}, {"types": [CREATED]}, {"user_id": "alice"}, {"user_id": "bob"},
        {"user_id": "alice", "types": [ENDED]},
    ]  # fmt: skip
    cursor = watched(managed, **filters).cursor
    watched(managed, cursor=cursor, **filters)
    for other in others:
        if other != filters:
            error = refused(watched, managed, cursor=cursor, **other)
            assert (error.reason, error.fields) == (Reason.INVALID_FIELD, ("cursor",))
    mixed = watched(managed, types=[ENDED, CREATED]).cursor
    watched(managed, cursor=mixed, types=[CREATED, ENDED, CREATED])


def test_a_cursor_that_was_tampered_with_is_refused_by_name(managed: Server) -> None:
    """Wherever a character was changed, added or taken away."""
    Logs.behind(managed).write("alice", 3)
    cursor = watched(managed).cursor
    places = st.integers(0, len(cursor) - 1)
    characters = st.characters(min_codepoint=32, max_codepoint=126)
    tampered = st.one_of(
        st.builds(lambda i, c: cursor[:i] + c + cursor[i + 1 :], places, characters),
        st.builds(lambda i, c: cursor[:i] + c + cursor[i:], places, characters),
        st.builds(lambda i: cursor[:i] + cursor[i + 1 :], places),
        st.builds(lambda i: cursor[:i], st.integers(1, len(cursor) - 1)),
        st.text(min_size=1, max_size=200),
        st.binary(max_size=1_500).map(lambda raw: raw.hex()),
    ).filter(lambda text: text not in ("", cursor))

    @settings(
        max_examples=rounds(60),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(text=tampered)
    def check(text: str) -> None:
        error = refused(watched, managed, cursor=text)
        assert (error.reason, error.fields) == (Reason.INVALID_FIELD, ("cursor",))

    check()


_NUMBERS = st.integers(0, 2**64 - 1)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(numbers=st.tuples(_NUMBERS, _NUMBERS, _NUMBERS), user=st.sampled_from(["", "alice"]))
def test_a_forged_cursor_leads_nowhere(
    server: Server, numbers: tuple[int, int, int], user: str
) -> None:
    """Places that no log ever had are LOG_REWOUND, whatever their numbers."""
    wanted = EventFilter(user_id=user)
    places = {i: Place("0-0", 0) for i in range(PARTITIONS)}
    places[partition_of_user("alice")] = Place(f"{numbers[0]}-{numbers[1]}", 10**6 + numbers[2])
    cursor = cursors.write(wanted, places)
    if len(cursor) <= 2_048:
        expected = {Reason.LOG_REWOUND, Reason.CURSOR_TOO_OLD, Reason.INVALID_FIELD}
        assert outcome(watched, server, cursor=cursor, user_id=user) in expected
