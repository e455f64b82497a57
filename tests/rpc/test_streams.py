"""RPCs that stream, behind the real interceptors: what they give, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from sessiond.domain.errors import Reason, StoreFullError
from sessiond.rpc.call import Call
from tests.rpc.calls import outcome, refused
from tests.rpc.conftest import ServeWith
from tests.rpc.logs import Log, captured
from tests.rpc.serving import Server, eventually
from tests.rpc.streaming import RPCS, Caller, Requests, Streams, endless, join, wire


@pytest.fixture
def written() -> Iterator[Log]:
    """What the server writes: it takes its log when it starts."""
    with captured() as lines:
        yield lines


@pytest.fixture
def server(written: Log, streams: Streams, serve_with: ServeWith) -> Server:
    return serve_with()


@pytest.fixture
def caller(server: Server) -> Caller:
    return Caller(server)


def _logged(log: Log, event: str) -> list[dict[str, Any]]:
    return [entry for entry in log.entries if entry["event"] == event]


async def _echo(call: Call) -> None:
    async for request in call.requests:
        await call.send(request)


def test_a_server_stream_gives_its_messages_in_order(streams: Streams, caller: Caller) -> None:
    """And then ends well."""

    async def repeated(call: Call) -> None:
        for i in range(100):
            await call.send(BytesValue(value=call.request.value + b"%d" % i))

    streams.work = repeated
    replies = caller.down(b"n")
    assert [reply.value for reply in replies] == [b"n%d" % i for i in range(100)]
    assert replies.code() is grpc.StatusCode.OK


def test_a_client_stream_is_read_to_its_end(streams: Streams, caller: Caller) -> None:
    """And answered once."""
    streams.work = join
    assert caller.finish("Up", [wire(b"%d," % i) for i in range(50)]) == [
        b"".join(b"%d," % i for i in range(50))
    ]


def test_both_sides_can_take_turns(streams: Streams, caller: Caller) -> None:
    """Each request is answered before the next one is sent."""
    streams.work = _echo
    requests = Requests[bytes]()
    replies = caller.both(iter(requests))
    for i in range(20):
        requests.send(wire(b"%d" % i))
        assert next(replies).value == b"%d" % i
    requests.close()
    assert list(replies) == []


@pytest.mark.parametrize("rpc", RPCS)
def test_a_stream_may_be_empty(streams: Streams, caller: Caller, rpc: str) -> None:
    """Of requests, of replies, or of both."""

    async def empty(call: Call) -> BytesValue | None:
        return await join(call) if rpc == "Up" else None

    streams.work = empty
    assert caller.finish(rpc) == ([b""] if rpc == "Up" else [])


@pytest.mark.parametrize("rpc", ["Down", "Both"])
def test_a_fault_in_the_middle_shows_nothing_of_itself(
    streams: Streams, caller: Caller, written: Log, rpc: str
) -> None:
    """What was sent arrives; then INTERNAL, as of any other call."""

    async def fail(call: Call) -> None:
        await call.send(BytesValue(value=b"before"))
        raise ZeroDivisionError("an inner text")

    streams.work = fail
    replies = caller.down() if rpc == "Down" else caller.both(iter([wire(b"")]))
    assert next(replies).value == b"before"
    error = refused(next, replies)
    eventually(lambda: _logged(written, "call"))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, Reason.INTERNAL)
    assert error.message == "internal error"
    assert "inner" not in error.trailers + written.getvalue()
    faults = _logged(written, "fault")
    assert [fault["request_id"] for fault in faults] == [error.request_id]


@pytest.mark.parametrize("rpc", RPCS)
def test_a_refusal_is_mapped_wherever_it_comes(streams: Streams, caller: Caller, rpc: str) -> None:
    """Code and reason are those of the error map."""

    async def refuse(call: Call) -> None:
        if rpc != "Up":
            await call.send(BytesValue())
        raise StoreFullError("full")

    streams.work = refuse
    error = refused(caller.finish, rpc, [wire(b"a")] * 3)
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.STORE_FULL)


@pytest.mark.parametrize("bad", [b"\xff\xff\xff", b"\x0a\x05ab"])
def test_a_malformed_request_ends_the_stream(streams: Streams, caller: Caller, bad: bytes) -> None:
    """INVALID_ARGUMENT; the requests before it were taken."""
    streams.work = _echo
    replies = caller.both(iter([wire(b"good"), bad, wire(b"never read")]))
    assert next(replies).value == b"good"
    error = refused(next, replies)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_FIELD)
    assert error.fields == ("request",)


@pytest.mark.parametrize("rpc", RPCS)
def test_streams_need_credentials_and_a_role(streams: Streams, server: Server, rpc: str) -> None:
    """Before a single request is read."""
    nobody, reader = Caller(server, ""), Caller(server, server.mint("reader"))
    assert refused(nobody.finish, rpc, [b"\xff"]).reason == Reason.CREDENTIALS_MISSING
    assert refused(reader.finish, rpc, [b"\xff"]).reason == Reason.ROLE_REQUIRED
    assert streams.begun == 0


def test_open_streams_count_as_calls_in_flight(streams: Streams, serve_with: ServeWith) -> None:
    """Over the bound calls are refused, and the end of a stream makes room."""
    server = serve_with(max_in_flight=2)
    caller, api = Caller(server), server.api()
    streams.work = endless
    running = [caller.down() for _ in range(2)]
    for replies in running:
        next(replies)
    assert refused(caller.finish, "Down").reason == Reason.OVERLOADED
    assert outcome(api.signing_keys) == Reason.OVERLOADED
    running[0].cancel()
    eventually(lambda: outcome(api.signing_keys) == "OK")
    running[1].cancel()


def test_a_stream_may_take_longer_than_a_call(streams: Streams, serve_with: ServeWith) -> None:
    """The server's own bound on calls is not for streams."""

    async def slow(call: Call) -> None:
        await asyncio.sleep(0.3)
        await call.send(BytesValue(value=b"late"))

    streams.work = slow
    assert Caller(serve_with(max_call_time="50ms")).finish("Down") == [b"late"]


def test_the_clients_deadline_ends_a_stream(streams: Streams, caller: Caller) -> None:
    """And the handler with it."""
    streams.work = endless
    replies = caller.down(timeout_s=0.3)
    with pytest.raises(grpc.RpcError):
        list(replies)
    assert replies.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: streams.over == 1)


def _one_after_the_other() -> Iterator[bytes]:
    yield wire(b"a")
    yield from iter(Requests[bytes]())


@pytest.mark.parametrize("rpc", RPCS)
def test_cancelling_ends_the_handler_at_once(
    streams: Streams, caller: Caller, written: Log, rpc: str
) -> None:
    """Whether it works, waits for a request, or sends; the log says CANCELLED, and no fault."""
    streams.work = {"Down": endless, "Up": join, "Both": _echo}[rpc]
    if rpc == "Down":
        call = caller.down()
        next(call)
    else:
        call = (caller.up if rpc == "Up" else caller.both)(_one_after_the_other())
        eventually(lambda: streams.begun == 1)
    call.cancel()
    eventually(lambda: streams.over == 1, within_s=1)
    eventually(lambda: _logged(written, "call"))
    assert [line["code"] for line in _logged(written, "call")] == ["CANCELLED"]
    assert not _logged(written, "fault")


def test_the_log_tells_of_a_stream_once_it_is_over(
    streams: Streams, caller: Caller, written: Log
) -> None:
    """One line, with the time that it took."""
    streams.work = _echo
    requests = Requests[bytes]()
    replies = caller.both(iter(requests))
    requests.send(wire(b"a"))
    next(replies)
    assert not _logged(written, "call")
    requests.close()
    assert not list(replies)
    eventually(lambda: _logged(written, "call"))
    (line,) = _logged(written, "call")
    assert (line["method"], line["caller"], line["code"]) == ("Both", "writer", "OK")
