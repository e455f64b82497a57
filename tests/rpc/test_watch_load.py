"""Many watchers, slow ones and ones that vanish: what they cost, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc

from sessiond.domain.errors import Reason
from sessiond.store.log_tail import CHECKPOINT_S
from sessionstore.v1 import session_service_pb2 as pb
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub
from tests.conftest import rounds
from tests.engines import RealEngine
from tests.ops.scraping import scrape
from tests.rpc.calls import refused
from tests.rpc.conftest import ServeWith
from tests.rpc.process import sessiond
from tests.rpc.serving import eventually
from tests.rpc.watching import Logs, Watch, watched

MOST_GROWN = 20 * 2**20
"""What ten readers are given before they are cut off stays in buffers of gRPC and the sockets."""


def test_a_reader_that_does_not_read_is_cut_off(serve_with: ServeWith) -> None:
    """What waits for it is bounded; others are served, and it may go on at its last cursor."""
    server = serve_with(watch_backlog=1_000, ops_listen="127.0.0.1:0")
    stuck, reader = watched(server), watched(server)
    logs, written = Logs.behind(server), list[str]()

    def cut_off() -> float:
        written.extend(logs.write("alice", 1_000))
        reader.until(lambda w: len(w.events) == len(written))
        return scrape(server.app.ops_address)["sessiond_watchers_cut_off_total",]

    eventually(cut_off, within_s=30)
    assert reader.sessions == written
    error = refused(stuck.until, lambda _: False)
    assert (error.code, error.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        Reason.WATCHER_TOO_SLOW,
    )
    assert error.retry_s is not None
    resumed = watched(server, cursor=stuck.cursor)
    assert [*stuck.sessions, *resumed.sessions] == written


def test_readers_that_do_not_read_cost_bounded_memory(mortal: RealEngine, tmp_path: Path) -> None:
    """However much happens meanwhile."""
    settings = {
        "listen": "127.0.0.1:0",
        "log_format": "json",
        "watch_backlog": 1_000,
        "store_url": mortal.url,
    }
    with sessiond(tmp_path, "--dev", **settings) as process:
        process.wait_until_welcome()
        with grpc.insecure_channel(process.address) as channel:
            stub: Any = SessionServiceStub(channel)
            metadata = (("authorization", f"Bearer {process.token}"),)
            stuck = [
                stub.WatchSessions(pb.WatchSessionsRequest(), metadata=metadata) for _ in range(10)
            ]
            for call in stuck:
                next(call)
            logs = Logs(mortal.url)
            before = process.memory()
            for _ in range(10):
                logs.write("alice", 20_000)
            grown = process.memory() - before
            for call in stuck:
                call.cancel()
    print(f"grew by {grown / 2**20:.1f} MB", end=" ")  # noqa: T201
    assert grown < MOST_GROWN


def test_clients_that_vanish_leave_nothing_behind(serve_with: ServeWith) -> None:
    """Neither a watcher nor, with the last of them, the reader of the logs."""
    server = serve_with(ops_listen="127.0.0.1:0")
    logs = Logs.behind(server)
    before = logs.connections()
    vanished = 0
    for _ in range(rounds(3)):
        channels = [server.channel() for _ in range(5)]
        watches = [Watch(server, channel=channel) for channel in channels for _ in range(4)]
        for i, watch in enumerate(watches):
            for _ in range(i % 4):
                watch.read()
        for channel in channels:
            channel.close()
        vanished += len(watches)
        eventually(lambda: scrape(server.app.ops_address)["sessiond_watchers",] == 0)
        eventually(lambda: logs.connections() == before)
    print(f"{vanished} vanished", end=" ")  # noqa: T201


def test_one_connection_reads_for_all_watchers(serve_with: ServeWith) -> None:
    """However many there are; none while there are none."""
    server = serve_with(ops_listen="127.0.0.1:0")
    logs = Logs.behind(server)
    idle = logs.connections()
    watches = []
    for count in (1, 5, 20):
        watches += [watched(server) for _ in range(count)]
        assert logs.connections() == idle + 1
    for watch in watches:
        watch.close()
    eventually(lambda: logs.connections() == idle)


def test_watchers_are_shown_as_metrics(serve_with: ServeWith) -> None:
    """How many, what they were sent, how far behind they are, and how long the logs are."""
    server = serve_with(ops_listen="127.0.0.1:0")
    idle = scrape(server.app.ops_address)
    assert idle["sessiond_watchers",] == 0
    assert ("sessiond_watch_lag_seconds",) not in idle
    watches = [watched(server) for _ in range(3)]
    Logs.behind(server).write("alice", 7)
    for watch in watches:
        watch.until(lambda w: len(w.events) == 7).checkpoint()
    shown = scrape(server.app.ops_address)
    assert shown["sessiond_watchers",] == 3
    assert shown["sessiond_watch_events_sent_total",] == 21
    assert shown["sessiond_watch_snapshots_total",] == 3
    assert shown["sessiond_watchers_cut_off_total",] == 0
    assert 0 <= shown["sessiond_watch_lag_seconds",] < 2 * CHECKPOINT_S
    assert shown["sessiond_log_events",] == 7
