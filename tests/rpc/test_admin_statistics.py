"""GetStats, ListRecentSessions and ListUsers over the wire."""

from __future__ import annotations

import pytest

from sessionstore.v1 import admin_service_pb2 as pb
from sessionstore.v1 import session_pb2
from tests.rpc.admin_calls import AdminApi
from tests.rpc.calls import refused
from tests.rpc.conftest import ServeWith
from tests.rpc.importing import bring_in
from tests.rpc.serving import Server, eventually


def test_stats_say_what_happened_and_what_there_is(serve_with: ServeWith) -> None:
    """Each counter, the spread over users, and the survey once the stats job has run."""
    server = serve_with(grace_time="0s")
    api, admin = server.api(), server.admin()
    for _ in range(3):
        made = api.create("alice")
    for _ in range(2):
        api.refresh(made.tokens.refresh_token, request_id="once")
    api.extend(made.session.session_id)
    api.revoke(session_id=made.session.session_id)
    bring_in(server, "bob", "old")
    api.adopt("bob", "old")
    stats = admin.stats()
    assert (stats.users, stats.live_sessions, stats.ended_sessions) == (2, 3, 1)
    totals = stats.totals
    assert (totals.created, totals.imported, totals.adopted) == (4, 1, 1)
    assert (totals.refreshed, totals.replayed, totals.extended) == (1, 1, 1)
    assert [(e.reason, e.count) for e in totals.ended] == [(session_pb2.END_REASON_REVOKED, 1)]
    spread = stats.sessions_per_user
    assert (spread.users, spread.mean, spread.max, spread.users_at_cap) == (2, 1.5, 2, 0)
    assert [(bar.sessions, bar.users) for bar in spread.bars] == [(1, 1), (2, 1)]
    assert stats.events == 5
    assert stats.read_time.seconds
    assert not stats.HasField("survey")

    admin.run_job("stats")
    eventually(lambda: admin.stats().HasField("survey"))
    survey = admin.stats().survey
    assert sum(bar.sessions for bar in survey.ages) == 3
    assert [bar.HasField("upper") for bar in survey.ages][-2:] == [True, False]
    assert survey.top_users[0].user_id == "alice"
    assert survey.top_users[0].live_sessions == 2


def test_recent_sessions_come_in_pages_newest_first(managed: Server, admin: AdminApi) -> None:
    """Of all users, in any state."""
    api = managed.api()
    ids = [api.create(f"user-{i % 7}").session.session_id for i in range(35)]
    api.revoke(session_id=ids[-1])
    first = admin.recent()
    assert len(first.sessions) == 30
    rest = admin.recent(page_token=first.next_page_token)
    assert not rest.next_page_token
    shown = [*first.sessions, *rest.sessions]
    assert [session.session_id for session in shown] == ids[::-1]
    assert shown[0].end_reason == session_pb2.END_REASON_REVOKED
    assert len(admin.recent(page_size=1000).sessions) == 35


def test_users_come_in_pages_by_live_sessions(managed: Server, admin: AdminApi) -> None:
    """Most first; those with ended ones alone come last."""
    api = managed.api()
    for user, count in (("alice", 3), ("bob", 2), ("carol", 1), ("d" * 256, 2)):
        for _ in range(count):
            made = api.create(user)
    gone = api.create("eve").session.session_id
    api.revoke(session_id=gone)
    seen: list[pb.UserSessions] = []
    token = ""
    while token or not seen:
        page = admin.users(page_size=2, page_token=token)
        seen += page.users
        token = page.next_page_token
    assert [(user.user_id, user.live_sessions) for user in seen] == [
        ("alice", 3),
        ("bob", 2),
        ("d" * 256, 2),
        ("carol", 1),
        ("eve", 0),
    ]
    assert seen[2].newest_time == made.session.create_time
    assert (seen[4].ended_sessions, seen[4].HasField("newest_time")) == (1, False)


@pytest.mark.parametrize("rpc", ["recent", "users"])
def test_a_page_that_cannot_be_is_refused_by_field(admin: AdminApi, rpc: str) -> None:
    """A negative size, and a token of another list."""
    call = getattr(admin, rpc)
    assert refused(call, page_size=-1).fields == ("page_size",)
    assert refused(call, page_token="WyJhIl0=").fields == ("page_token",)
    assert refused(call, page_token="x" * 5000).fields == ("page_token",)
