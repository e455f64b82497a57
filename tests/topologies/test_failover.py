"""A store whose primary changes: how soon callers are served again, and what becomes of losses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import pytest
from redis import Redis

from sessionstore.v1 import session_pb2
from sessionstore.v1 import session_service_pb2 as pb
from tests.engines import require_engine, start_real_engine
from tests.ops.scraping import scrape
from tests.rpc.calls import Api, outcome
from tests.rpc.logs import Log
from tests.rpc.serving import Server
from tests.topologies.conftest import ServeOn
from tests.topologies.nodes import eventually
from tests.topologies.sentinel_group import Group

HEALED_S = 5.0


@dataclass
class Calling:
    """A caller that validates one session over and over."""

    answered: list[float] = field(default_factory=list)
    """When, by the monotonic clock."""
    failed: list[grpc.StatusCode] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)

    def run(self, api: Api, session_id: str, end: threading.Event) -> None:
        while not end.is_set():
            try:
                verdict = api.validate(session_id=session_id).verdict
            except grpc.RpcError as error:
                self.failed.append(error.code())
                time.sleep(0.01)
                continue
            if verdict != pb.VERDICT_ACTIVE:
                self.wrong.append(verdict)
            self.answered.append(time.monotonic())


@contextmanager
def calling(api: Api, session_id: str) -> Iterator[Calling]:
    """While the block runs, and until it was answered once more after it."""
    caller, end = Calling(), threading.Event()
    thread = threading.Thread(target=caller.run, args=(api, session_id, end))
    thread.start()
    try:
        eventually(lambda: caller.answered)
        yield caller
        since = time.monotonic()
        eventually(lambda: caller.answered[-1] > since, within_s=HEALED_S)
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize("change", [Group.hand_over, Group.kill_primary, Group.hang_primary])
def test_callers_are_served_again_within_seconds_of_the_new_primary(
    group: Group, serve_on: ServeOn, change: Callable[[Group], object]
) -> None:
    """Handed over in order, killed, or hung; an error is UNAVAILABLE, and never an answer."""
    with serve_on(group.url) as server:
        api = server.api(timeout_s=5)
        session_id = api.create("alice").session.session_id
        group.until_replicated()
        hung = None
        with calling(api, session_id) as caller:
            changed = change(group)
            if isinstance(changed, tuple):
                hung = changed[0]
        assert not caller.wrong
        assert set(caller.failed) <= {grpc.StatusCode.UNAVAILABLE}
        assert outcome(api.create, "bob") == "OK"
        if hung:
            hung.go_on()
            assert outcome(api.create, "bob") == "OK"
            eventually(lambda: hung.replication()["role"] == "slave")
            assert len(api.list("bob").sessions) == 2


def test_what_a_failover_undid_is_done_again(group: Group, serve_on: ServeOn, log: Log) -> None:
    """Endings that callers were told of are told to the new primary; refresh tokens go on."""
    with serve_on(group.url, grace_time="0s", session_cap=3, ops_listen="127.0.0.1:0") as server:
        api = server.api()
        refreshed, revoked, stolen = (api.create("alice") for _ in range(3))
        of_bob = [api.create("bob").session.session_id for _ in range(3)]
        of_carol = [api.create("carol").session.session_id for _ in range(3)]
        second = api.refresh(stolen.tokens.refresh_token)
        group.cut_replicas()

        third = api.refresh(refreshed.tokens.refresh_token)
        api.revoke(session_id=revoked.session.session_id, reason=session_pb2.END_REASON_LOGOUT)
        assert outcome(api.refresh, stolen.tokens.refresh_token) == "REFRESH_TOKEN_REUSED"
        assert set(api.revoke_user("bob", except_session_id=of_bob[0])) == set(of_bob[1:])
        (evicted,) = api.create("carol").evicted_sessions
        group.kill_primary()

        eventually(lambda: _said_again(log), within_s=HEALED_S)
        assert _said_again(log) == [(5, 5)]
        expected = {
            revoked.session.session_id: session_pb2.END_REASON_LOGOUT,
            second.session.session_id: session_pb2.END_REASON_TOKEN_REUSED,
            of_carol[0]: session_pb2.END_REASON_EVICTED_BY_CAP,
            of_bob[1]: session_pb2.END_REASON_REVOKED_OTHERS,
            of_bob[2]: session_pb2.END_REASON_REVOKED_OTHERS,
        }
        assert evicted.session_id == of_carol[0]
        for session_id, reason in expected.items():
            assert api.validate(session_id=session_id).verdict == pb.VERDICT_ENDED
            assert api.get(session_id).end_reason == reason
        assert api.validate(session_id=of_bob[0]).verdict == pb.VERDICT_ACTIVE

        assert _recovered(server) == 0
        again = api.refresh(third.tokens.refresh_token)
        assert _recovered(server) == 1
        assert again.outcome == pb.RefreshSessionResponse.OUTCOME_RECOVERED
        assert api.validate(refresh_token=again.tokens.refresh_token).verdict == (pb.VERDICT_ACTIVE)


def test_what_a_restart_undid_is_done_again(serve_on: ServeOn, log: Log) -> None:
    """With one node too: it came back with its last snapshot."""
    require_engine("redis7")
    with start_real_engine("redis7") as engine, serve_on(engine.url) as server:
        api = server.api()
        session_id = api.create("alice").session.session_id
        with Redis(unix_socket_path=str(engine.socket_path)) as past_the_server:
            past_the_server.save()
        api.revoke(session_id=session_id)
        engine.kill9()
        engine.start()
        eventually(lambda: _said_again(log), within_s=HEALED_S)
        assert _said_again(log) == [(1, 1)]
        assert api.validate(session_id=session_id).verdict == pb.VERDICT_ENDED


def test_what_was_ended_unknown_is_ended_when_it_turns_up(serve_on: ServeOn, log: Log) -> None:
    """As where it was made at a new primary, and ended at the old one before that was left."""
    require_engine("redis7")
    with start_real_engine("redis7") as engine, serve_on(engine.url) as server:
        api = server.api()
        session_id = api.create("alice").session.session_id
        with Redis(unix_socket_path=str(engine.socket_path)) as past_the_server:
            past_the_server.save()
            past_the_server.delete(*past_the_server.scan_iter(f"*:s:{session_id}"))
        assert not api.revoke(session_id=session_id).HasField("session")
        engine.kill9()
        engine.start()
        eventually(lambda: _said_again(log), within_s=HEALED_S)
        assert _said_again(log) == [(1, 1)]
        assert api.validate(session_id=session_id).verdict == pb.VERDICT_ENDED


def test_a_replica_is_not_ready(group: Group, serve_on: ServeOn, log: Log) -> None:
    """One that a server was told of by its address: it would answer, and take no writes."""
    with serve_on(f"redis://{group.primary.address}") as server:
        group.hand_over()
        eventually(lambda: not server.app.ready.is_set(), within_s=HEALED_S)
    problems = [e["problem"] for e in log.entries if e["event"] == "store_not_ready"]
    assert any("replica" in problem for problem in problems)


def _recovered(server: Server) -> float:
    """Refreshes that went on where the store had forgotten one."""
    return scrape(server.app.ops_address)["sessiond_refreshes_total", "recovered"]


def _said_again(log: Log) -> list[tuple[int, int]]:
    """Endings, and how many of them had been undone, by failover."""
    said = [entry for entry in log.entries if entry["event"] == "endings_reasserted"]
    return [(entry["endings"], entry["restored"]) for entry in said]
