"""How streams of WatchSessions end, how many there may be, and what is told of them."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

from sessiond.domain.errors import Reason
from tests.rpc.calls import outcome, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.logs import captured
from tests.rpc.serving import eventually
from tests.rpc.watching import Logs, watched

HOUR = timedelta(hours=1)
A_WHILE = timedelta(seconds=5)


def test_streams_end_well_when_the_server_stops(serve_with: ServeWith) -> None:
    """At once, not at the end of the drain time; and no new ones are taken."""
    server = serve_with(drain_time="20s")
    watches = [watched(server) for _ in range(5)]
    stopping = Thread(target=server.loop.run, args=(server.app.stop(),))
    stopping.start()
    for watch in watches:
        watch.drain()
    stopping.join(5)
    assert not stopping.is_alive()


def test_a_stream_ends_well_at_its_age(serve_with: ServeWith) -> None:
    """Give or take a tenth; it goes on at its cursor."""
    server = serve_with(watch_max_age="1s")
    watch = watched(server)
    Logs.behind(server).write("alice", 3)
    watch.drain()
    assert watched(server, cursor=watch.cursor)


def test_watchers_are_bounded_and_no_calls_in_flight(serve_with: ServeWith) -> None:
    """Over the bound they are OVERLOADED until one leaves; other calls are not kept out."""
    server = serve_with(max_watchers=3, max_in_flight=1)
    watches = [watched(server) for _ in range(3)]
    assert refused(watched, server).reason == Reason.OVERLOADED
    assert outcome(server.api().signing_keys) == "OK"
    watches[0].close()
    eventually(lambda: outcome(watched, server) == "OK")


def test_the_log_has_one_line_of_a_stream(serve_with: ServeWith) -> None:
    """At its end, with whose it was."""
    with captured() as log:
        server = serve_with()
        watch = watched(server)
        assert not [entry for entry in log.entries if entry.get("method") == "WatchSessions"]
        watch.close()
        eventually(lambda: [e for e in log.entries if e.get("method") == "WatchSessions"])
        (line,) = [entry for entry in log.entries if entry.get("method") == "WatchSessions"]
        assert (line["caller"], line["code"]) == ("reader", "CANCELLED")
        assert not [entry for entry in log.entries if entry["event"] == "admin_act"]
