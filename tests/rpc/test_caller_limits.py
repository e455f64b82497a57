"""One caller takes more than its share: it is refused, and the others are not."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from sessiond.domain.errors import Reason
from sessiond.domain.ids import new_session_id
from sessiond.domain.limits import MAX_BATCH
from sessionstore.v1 import session_service_pb2 as pb
from tests.conftest import rounds
from tests.engines import RealEngine, start_real_engine
from tests.rpc.calls import Api, outcome, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.engines import hung
from tests.rpc.serving import Server, callers_file, eventually
from tests.rpc.streaming import RPCS, Caller, Requests, Streams, join
from tests.rpc.watching import Watch, watched

MOST = 3
FLOOD_S = 1.0
FLOODERS = 16
"""Threads that call one after the other: five times what the caller may."""


@pytest.fixture
def engine() -> Iterator[RealEngine]:
    with start_real_engine("valkey") as started:
        yield started


def limited(server: Server, limits: str) -> None:
    """Give the writer these limits in the callers file, and wait until they hold."""
    file = server.settings.effective_callers_file
    text = callers_file(certificates=server.mutual)
    file.write_text(text.replace("[callers.writer]", f"[callers.writer]\n{limits}"))


def test_calls_in_flight_are_bounded_for_each_caller(
    serve_with: ServeWith, engine: RealEngine
) -> None:
    """Over its bound a caller is refused; another is served at once; who is done makes room."""
    server = serve_with(
        url=engine.url, caller_max_in_flight=MOST, max_call_time="8s", store_read_timeout="8s"
    )
    writer, other = server.api("writer"), server.api("other-writer")
    with ThreadPoolExecutor(MOST + 1) as pool:
        with hung(engine):
            calls = [pool.submit(outcome, writer.create, f"user-{i}") for i in range(MOST)]
            eventually(lambda: outcome(writer.signing_keys) == Reason.CALLER_LIMIT_REACHED)
            error = refused(writer.signing_keys)
            assert error.code == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert error.metadata == {
                "limit": "max_in_flight",
                "most": str(MOST),
                "caller": "writer",
            }
            assert error.retry_s
            assert outcome(other.signing_keys) == "OK"
            waiting = pool.submit(outcome, other.create, "bob")
        assert [call.result() for call in (*calls, waiting)] == ["OK"] * (MOST + 1)
    assert outcome(writer.create, "alice") == "OK"


def test_calls_in_a_second_are_bounded_for_each_caller(serve_with: ServeWith) -> None:
    """Those of one second may come at once; RetryInfo says when the next one may."""
    per_s = 5
    server = serve_with(caller_calls_per_second=per_s)
    reader, other = server.api("reader"), server.api("admin")
    began = time.monotonic()
    answered = 0
    while (answer := outcome(reader.signing_keys)) == "OK":
        answered += 1
    assert answer == Reason.CALLER_LIMIT_REACHED
    assert per_s <= answered <= per_s * (1 + time.monotonic() - began) + 1
    assert outcome(other.signing_keys) == "OK"
    eventually(lambda: outcome(reader.signing_keys) == "OK")
    error = refused(lambda: [reader.signing_keys() for _ in range(per_s * 2)])
    assert error.metadata["limit"] == "calls_per_second"
    assert error.retry_s
    assert 0 < error.retry_s <= 1 / per_s


@pytest.mark.parametrize(
    ("rpc", "answer"), [("GetStats", Reason.ROLE_REQUIRED), ("WatchSessions", "OK")]
)
def test_every_call_counts_against_those_in_a_second(
    serve_with: ServeWith, rpc: str, answer: str
) -> None:
    """Also one that the caller's role does not cover, and a watcher that comes and goes."""
    server = serve_with(caller_calls_per_second=1)
    reader = server.api("reader")

    def call() -> str:
        return outcome(watched, server) if answer == "OK" else outcome(reader.raw, rpc, b"")

    assert call() == answer
    eventually(lambda: call() == Reason.CALLER_LIMIT_REACHED)


def test_watchers_are_bounded_for_each_caller(serve_with: ServeWith) -> None:
    """They keep out neither another caller's watchers nor calls of their own."""
    server = serve_with(caller_max_watchers=2, caller_max_in_flight=1)
    mine = [watched(server) for _ in range(2)]
    error = refused(watched, server)
    assert (error.reason, error.metadata["limit"]) == (
        Reason.CALLER_LIMIT_REACHED,
        "max_watchers",
    )
    assert outcome(server.api("reader").signing_keys) == "OK"
    watched(server, caller="writer")
    mine[0].call.cancel()
    eventually(lambda: outcome(watched, server) == "OK")


def test_streams_count_as_calls_in_flight(streams: Streams, serve_with: ServeWith) -> None:
    """Of every kind, for as long as they are open."""
    streams.work = join
    caller = Caller(serve_with(caller_max_in_flight=1))
    requests = Requests[bytes]()
    first = caller.up(iter(requests))
    eventually(lambda: streams.begun == 1)
    for rpc in RPCS:
        assert outcome(caller.finish, rpc) == Reason.CALLER_LIMIT_REACHED
    requests.close()
    assert first.result().value == b""
    assert caller.finish("Up") == [b""]


def test_a_refusal_comes_before_the_deadline(serve_with: ServeWith) -> None:
    """It is held back, and yet its caller is told, also one in a hurry."""
    server = serve_with(caller_max_watchers=1)
    watching = watched(server)
    for timeout_s in (0.5, 15.0):
        hurried = server.api("reader", timeout_s=timeout_s)
        assert outcome(hurried.raw, "WatchSessions", b"") == Reason.CALLER_LIMIT_REACHED
    watching.close()


def test_the_callers_file_may_say_otherwise(serve_with: ServeWith) -> None:
    """For one caller, without a restart."""
    server = serve_with(key_reload_interval="20ms")
    first = Watch(server, caller="writer")
    first.read()
    limited(server, "max_watchers = 1")
    eventually(lambda: outcome(watched, server, caller="writer") == Reason.CALLER_LIMIT_REACHED)
    assert outcome(watched, server, caller="other-writer") == "OK"
    first.call.cancel()


@contextmanager
def flooded(
    server: Server, caller: str, call: Callable[[Api], object], told: str
) -> Iterator[Counter[str]]:
    """A caller that calls as fast as it can from many connections, and what it is answered."""
    answers: Counter[str] = Counter()
    over = threading.Event()

    def flood() -> None:
        api = server.api(caller)
        while not over.is_set():
            answers[outcome(call, api)] += 1

    with ThreadPoolExecutor(FLOODERS) as pool:
        floods = [pool.submit(flood) for _ in range(FLOODERS)]
        try:
            eventually(lambda: answers[told] > MOST)
            yield answers
        finally:
            over.set()
    for each in floods:
        each.result()


def a_login(api: Api) -> object:
    return api.create("flood")


def a_large_batch(api: Api) -> object:
    asked = pb.ValidateSessionRequest(session_id=new_session_id("flood"))
    return api.validate_many([asked] * MAX_BATCH)


@pytest.mark.parametrize("limit", [f"max_in_flight = {MOST}", "calls_per_second = 20"])
def test_a_flood_of_one_caller_refuses_no_call_of_another(
    serve_with: ServeWith, limit: str
) -> None:
    """A calls many times as much as it may; B calls meanwhile and is answered, every time."""
    server = serve_with(key_reload_interval="20ms")
    limited(server, limit)
    patient = server.api("other-writer")
    for _ in range(rounds(1)):
        others: Counter[str] = Counter()
        with flooded(server, "writer", a_login, Reason.CALLER_LIMIT_REACHED) as flood:
            before = flood.copy()
            until = time.monotonic() + FLOOD_S
            while time.monotonic() < until:
                others[outcome(patient.create, "patient")] += 1
        assert set(flood) <= {"OK", Reason.CALLER_LIMIT_REACHED}
        assert (flood - before)[Reason.CALLER_LIMIT_REACHED] > MOST
        assert set(others) == {"OK"}
        print(f"flood {dict(flood)}, the other {dict(others)}", end=" ")  # noqa: T201  as rounds do


def test_a_flood_of_large_batches_refuses_no_call_of_another(serve_with: ServeWith) -> None:
    """Together they ask for far more than may wait for the store at a time."""
    server = serve_with(store_max_in_flight=MAX_BATCH)
    patient = server.api("other-writer")
    others: Counter[str] = Counter()
    with flooded(server, "writer", a_large_batch, "OK") as flood:
        for _ in range(20 * rounds(1)):
            others[outcome(patient.create, "patient")] += 1
    assert set(flood) == {"OK"}
    assert set(others) == {"OK"}
