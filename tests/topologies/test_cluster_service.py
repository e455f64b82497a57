"""The whole service over a cluster, called as any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sessionstore.v1 import admin_service_pb2 as admin_pb
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.calls import outcome
from tests.rpc.engines import hung
from tests.rpc.logs import Log
from tests.rpc.serving import Server, ServerLoop, eventually, make_settings, serve
from tests.rpc.watching import watched
from tests.topologies.cluster import Cluster
from tests.topologies.conftest import ServeOn

USERS = [f"user-{i}" for i in range(100)]
"""Of all partitions but a few."""
REPLACED_S = 20.0
"""How long the cluster may take to replace a primary, and the server to see it."""


@pytest.fixture
def server(cluster: Cluster, tmp_path: Path) -> Iterator[Server]:
    """A server in production mode: whatever start-up has to check is well."""
    loop = ServerLoop()
    settings = make_settings(tmp_path, cluster.url, reaper_interval="100ms")
    with serve(loop, settings) as started:
        yield started
    loop.close()


def test_everything_works(server: Server) -> None:
    """Sessions, events, statistics, jobs, audit, export and purge, over all nodes."""
    api, admin, watch = server.api(), server.admin(), watched(server)
    made = [api.create(user) for user in USERS]
    ids = [each.session.session_id for each in made]
    watch.until(lambda told: set(told.sessions) == set(ids))
    results = api.validate_many([pb.ValidateSessionRequest(session_id=i) for i in ids])
    assert {result.verdict for result in results} == {pb.VERDICT_ACTIVE}
    for each in made[:10]:
        api.refresh(each.tokens.refresh_token)
    for session_id in ids[:30]:
        api.revoke(session_id=session_id)
    watch.until(lambda told: set(told.ended) == set(ids[:30])).checkpoint()
    watch.close()

    stats = admin.stats()
    assert (stats.users, stats.live_sessions, stats.ended_sessions) == (100, 70, 30)
    assert len(admin.recent(page_size=100).sessions) == 100
    assert admin.run_job("stats").name == "stats"
    eventually(lambda: admin.stats().HasField("survey"))
    assert sum(bar.sessions for bar in admin.stats().survey.ages) == 70
    audit = admin.audit()[-1]
    assert audit.done
    assert not audit.drifts
    exported = [session for part in admin.export() for session in part.sessions]
    assert len(exported) == 100
    purged = admin.purge(cutoff_time=stats.read_time, include_active=True, execute=True)[-1]
    assert purged.done
    assert admin.stats().live_sessions == 0
    assert not admin.audit()[-1].drifts


def test_a_primary_that_hangs_does_not_stop_the_service(
    cluster: Cluster, serve_on: ServeOn, log: Log
) -> None:
    """It stays ready, as the cluster does, and finds who took over though nobody calls."""
    cluster.settle()
    with _partly_covered(cluster), serve_on(cluster.url) as server:
        eventually(server.app.ready.is_set)
        with hung(cluster.primaries()[0].engine):
            eventually(lambda: _told(log, "store_failover"), within_s=REPLACED_S)
            assert outcome(server.api().create, "alice") == "OK"
        cluster.settle()
    assert not _told(log, "store_not_ready")


def test_the_sessions_of_one_user_are_listed_and_deleted(server: Server) -> None:
    """In the user's partition."""
    api, admin = server.api(), server.admin()
    for _ in range(5):
        api.create("alice")
    assert len(api.list("alice").sessions) == 5
    assert isinstance(admin.delete_user("alice"), admin_pb.DeleteUserResponse)
    assert len(api.list("alice").sessions) == 0


@contextmanager
def _partly_covered(cluster: Cluster) -> Iterator[None]:
    """The other nodes serve while nobody serves the slots of one."""
    name = "cluster-require-full-coverage"
    for node in cluster.nodes:
        node.ask("CONFIG", "SET", name, "no")
    try:
        yield
    finally:
        for node in cluster.nodes:
            node.ask("CONFIG", "SET", name, "yes")


def _told(log: Log, event: str) -> list[object]:
    return [entry for entry in log.entries if entry["event"] == event]
