"""Streams of WatchSessions while sessions end, logs go back, and engines fail."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from sessiond.domain.errors import Reason
from sessiond.store.log_tail import CHECKPOINT_S
from tests.conftest import rounds
from tests.engines import RealEngine
from tests.rpc.calls import Api, outcome, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.engines import hung
from tests.rpc.serving import Server, eventually
from tests.rpc.streaming import settled
from tests.rpc.watching import Logs, Watch, watched

USERS = 8


@pytest.fixture
def over(mortal: RealEngine, serve_with: ServeWith) -> Server:
    """A server over it."""
    return serve_with(url=mortal.url, store_read_timeout="300ms", store_connect_timeout="300ms")


def _end_some(api: Api, user: str, most: int) -> list[str]:
    """Log in and out; who was acknowledged to have ended, in order."""
    ended = []
    for _ in range(most):
        session_id = api.create(user).session.session_id
        api.revoke(session_id=session_id)
        ended.append(session_id)
    return ended


def test_a_snapshot_and_what_follows_leave_no_gap(managed: Server) -> None:
    """Sessions end while streams begin: each is in the snapshot or told, and none out of order."""
    api, dice = managed.api(), random.Random(5)
    ended = streams = told = 0
    with ThreadPoolExecutor(2 * USERS) as pool:
        for number in range(rounds(5)):
            users = [f"user-{number}-{i}" for i in range(USERS)]
            ending = [pool.submit(_end_some, api, user, 10) for user in users]
            opened = []
            for _ in range(4):
                time.sleep(dice.uniform(0, 0.02))
                opened.append(Watch(managed))
            done = {user: task.result() for user, task in zip(users, ending, strict=True)}
            everybody = {session for sessions in done.values() for session in sessions}
            for watch in opened:
                watch.until_known(everybody)
                for user, sessions in done.items():
                    order = [e.session_id for e in watch.events if e.user_id == user]
                    assert [s for s in dict.fromkeys(order) if s in sessions] == [
                        s for s in sessions if s in order
                    ]
                    assert len(watch.events) == len({e.event_id for e in watch.events})
                told += len(watch.events)
                watch.close()
            ended += len(everybody)
            streams += len(opened)
    print(f"{streams} streams, {ended} endings, {told} events", end=" ")  # noqa: T201
    assert told > 0


def test_resumed_streams_leave_no_gap(managed: Server) -> None:
    """A stream that is cut at random and resumed at its last cursor has told of everything."""
    api, dice = managed.api(), random.Random(7)
    cuts = told = 0
    with ThreadPoolExecutor(USERS) as pool:
        for number in range(rounds(5)):
            watch = watched(managed)
            users = [f"user-{number}-{i}" for i in range(USERS)]
            ending = [pool.submit(_end_some, api, user, 10) for user in users]
            seen: list[str] = []
            while not all(task.done() for task in ending):
                stop = dice.randrange(1, 6)
                for _ in range(stop):
                    watch.read()
                seen += watch.ended
                watch.close()
                cuts += 1
                watch = Watch(managed, cursor=watch.cursor)
                while not watch.cursor:
                    watch.read()
            done = {user: task.result() for user, task in zip(users, ending, strict=True)}
            left = {s for sessions in done.values() for s in sessions} - set(seen)
            watch.until_known(left)
            seen += watch.ended
            watch.close()
            for sessions in done.values():
                assert [s for s in dict.fromkeys(seen) if s in sessions] == sessions
            told += len(seen)
    print(f"{cuts} cuts, {told} endings told", end=" ")  # noqa: T201
    assert cuts > 0


def test_a_cursor_that_the_log_lost_is_refused(managed: Server) -> None:
    """Ahead of a log that went back, and within one that has grown past it since."""
    logs = Logs.behind(managed)
    logs.write("alice", 3)
    kept = watched(managed)
    before = logs.save("alice")
    logs.write("alice", 3)
    lost = watched(managed)
    for stream in (kept, lost):
        stream.close()
    logs.restore("alice", before)
    error = refused(watched, managed, cursor=lost.cursor)
    assert (error.code, error.reason) == (grpc.StatusCode.OUT_OF_RANGE, Reason.LOG_REWOUND)
    for _ in range(6):
        logs.write("alice")
        assert outcome(watched, managed, cursor=lost.cursor) == Reason.LOG_REWOUND
    assert len(watched(managed, cursor=kept.cursor).events) == 6


def test_open_streams_end_when_the_log_goes_back(over: Server) -> None:
    """Whether the connection broke or not; begun anew, they miss nothing."""
    logs, api = Logs.behind(over), over.api()
    for number in range(rounds(4)):
        logs.write("alice", 3)
        before = logs.save("alice")
        watches = [watched(over), watched(over, user_id="alice"), watched(over, types=[2])]
        lost = logs.write("alice", 3)
        for watch in watches:
            watch.until_told(lost)
        logs.restore("alice", before)
        if number % 2:
            logs.cut_connections()
            eventually(lambda: outcome(api.create, "bob") == "OK")
        else:
            logs.write("alice", 10)
        for watch in watches:
            error = refused(watch.until, lambda _: False)
            assert (error.code, error.reason) == (grpc.StatusCode.OUT_OF_RANGE, Reason.LOG_REWOUND)
        session_id = api.create("alice").session.session_id
        api.revoke(session_id=session_id)
        assert session_id in watched(over).snapshot


def test_an_engine_that_comes_back_empty_ends_streams(over: Server, mortal: RealEngine) -> None:
    """LOG_REWOUND, once it is back: until then they stay open, and silent."""
    Logs.behind(over).write("alice", 3)
    watch = watched(over)
    mortal.kill9()
    mortal.start()
    error = refused(watch.until, lambda _: False)
    assert error.reason == Reason.LOG_REWOUND
    eventually(lambda: outcome(over.api().create, "alice") == "OK")
    assert len(watched(over).checkpoints) == 1


def test_an_engine_that_hangs_sends_no_checkpoint_and_heals(
    over: Server, mortal: RealEngine
) -> None:
    """A stream without checkpoints tells that nothing is known; it goes on without a gap."""
    api, watch = over.api(), watched(over)
    before = _end_some(api, "alice", 3)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(watch.until, lambda w: len(w.ended) == 6)
        with hung(mortal):
            settled(lambda: len(watch.checkpoints), for_s=3 * CHECKPOINT_S)
        eventually(lambda: outcome(api.validate, session_id=before[0]) == "OK")
        after = _end_some(api, "alice", 3)
        reading.result()
    assert watch.ended == [*before, *after]
    watch.checkpoint()
    assert watch.lags_s[-1] < CHECKPOINT_S
