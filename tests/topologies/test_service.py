"""The whole service over a cluster and behind sentinels, as the shipped users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from redis import Redis, RedisCluster

from sessiond.store import info
from sessionstore.v1 import session_service_pb2 as pb
from tests.rpc.all_work import work_of_callers, work_of_operators
from tests.rpc.calls import outcome
from tests.rpc.engines import hung
from tests.rpc.logs import Log
from tests.rpc.serving import Server, eventually
from tests.rpc.watching import watched
from tests.store_users import (
    FOR_CLUSTER,
    FOR_SENTINEL,
    GROUP_PASSWORD,
    USER,
    assert_no_more_is_allowed,
    refused_by,
    url_of_sessiond,
)
from tests.topologies.cluster import Cluster, ClusterNode
from tests.topologies.conftest import ServeOn
from tests.topologies.nodes import HOST, Node
from tests.topologies.sentinel_group import Group

USERS: Final = [f"user-{i}" for i in range(100)]
"""Of all partitions but a few."""
DATABASE: Final = 3
REPLACED_S: Final = 20.0
"""How long the cluster may take to replace a primary, and the server to see it."""
_SETTINGS: Final = {"reaper_interval": "100ms", "store_wait_timeout": "10s"}
_REDIS_PY: Final = {"client|setinfo"}
"""By which it introduces itself, where it may."""


def test_everything_works_on_a_cluster(cluster: Cluster, serve_on: ServeOn, log: Log) -> None:
    """Every call, over all nodes, as a user who may do no more."""
    cluster.settle()
    primaries = cluster.primaries()
    _forget_commands(primaries)
    with serve_on(url_of_sessiond(cluster.url), **_SETTINGS, store_wait_replicas=1) as server:
        _use_all_partitions(server, replicas=1)
        assert _commands(primaries) >= FOR_CLUSTER  # before the test sends such itself
        work_of_callers(server)
        with RedisCluster(HOST, cluster.nodes[0].port) as master:
            work_of_operators(server, master)
    _assert_no_more_was_wanted(primaries, log)


def test_everything_works_behind_sentinels(group: Group, serve_on: ServeOn, log: Log) -> None:
    """Every call, in another database than the first, as users who may do no more."""
    primary = group.primary
    _forget_commands([primary])
    at_sentinels = {"store_sentinel_username": USER, "store_sentinel_password": GROUP_PASSWORD}
    url = f"{url_of_sessiond(group.url)}/{DATABASE}"
    with serve_on(url, **_SETTINGS, store_wait_replicas=2, **at_sentinels) as server:
        _use_all_partitions(server, replicas=2)
        assert _commands([primary]) >= FOR_SENTINEL  # before the test sends such itself
        work_of_callers(server)
        with Redis(HOST, primary.port, db=DATABASE) as master:
            work_of_operators(server, master)
    _assert_no_more_was_wanted([primary], log)
    assert set().union(*(refused_by(sentinel.ask) for sentinel in group.sentinels)) <= _REDIS_PY


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


def _use_all_partitions(server: Server, *, replicas: int) -> None:
    """Sessions, events, statistics, jobs, audit, export and purge, with users all over."""
    api, admin, watch = server.api(), server.admin(), watched(server)
    made = [api.create(user) for user in USERS]
    ids = [each.session.session_id for each in made]
    watch.until(lambda told: set(told.sessions) == set(ids))
    results = api.validate_many([pb.ValidateSessionRequest(session_id=i) for i in ids])
    assert {result.verdict for result in results} == {pb.VERDICT_ACTIVE}
    for each in made[:10]:
        api.refresh(each.tokens.refresh_token)
    for session_id in ids[:30]:
        assert api.revoke(session_id=session_id).replicas_confirmed == replicas
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

    for _ in range(5):
        api.create("alice")
    assert len(api.list("alice").sessions) == 5
    assert admin.delete_user("alice")
    assert len(api.list("alice").sessions) == 0


def _forget_commands(nodes: Sequence[ClusterNode | Node]) -> None:
    """Of those that were sent, and of those that were refused."""
    for node in nodes:
        node.ask("CONFIG", "RESETSTAT")
        node.ask("ACL", "LOG", "RESET")


def _commands(nodes: Sequence[ClusterNode | Node]) -> set[str]:
    """What any of them was sent since then."""
    stats = (info.parsed(node.ask("INFO", "commandstats")) for node in nodes)
    return {name.removeprefix("cmdstat_") for each in stats for name in each}


def _assert_no_more_was_wanted(nodes: Sequence[ClusterNode | Node], log: Log) -> None:
    """Nothing was refused, and what sessiond does without would be."""
    assert "refused" not in log.getvalue()
    for node in nodes:
        assert refused_by(node.ask) <= _REDIS_PY
        assert_no_more_is_allowed(node.engine)


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
