"""Streams whose other side does not keep up, or whose server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import repeat
from threading import Thread

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from sessiond.domain.errors import Reason
from sessiond.rpc import call as call_module
from sessiond.rpc.call import Call
from tests.rpc.calls import refused
from tests.rpc.conftest import ServeWith
from tests.rpc.logs import captured
from tests.rpc.serving import eventually
from tests.rpc.streaming import Caller, Requests, Streams, Work, endless, join, settled, wire

LARGE = b"x" * 64 * 1024
MOST_BUFFERED = 300
"""Large messages on their way to a reader that does not read: under 20 MB, whatever comes."""


@pytest.fixture
def caller(streams: Streams, serve_with: ServeWith) -> Caller:
    # Else the client's own window grows, to 16 MB where the line is fast.
    return Caller(serve_with(), None, ("grpc.http2.bdp_probe", 0))


async def _flood(call: Call) -> None:
    while True:
        await call.send(BytesValue(value=LARGE))


async def _hang(_: Call) -> None:
    await asyncio.Event().wait()


def test_a_reader_that_does_not_read_makes_the_handler_wait(
    streams: Streams, caller: Caller
) -> None:
    """What is on its way stays bounded, and it goes on when the reader does."""
    sent = 0

    async def flood(call: Call) -> None:
        nonlocal sent
        while True:
            await call.send(BytesValue(value=LARGE))
            sent += 1

    streams.work = flood
    replies = caller.down()
    next(replies)
    before = settled(lambda: sent)
    assert before < MOST_BUFFERED
    for _ in range(MOST_BUFFERED):
        next(replies)
    eventually(lambda: sent >= MOST_BUFFERED)
    assert settled(lambda: sent) < 2 * MOST_BUFFERED
    replies.cancel()
    eventually(lambda: streams.over == 1)


def test_a_handler_that_does_not_read_makes_its_client_wait(
    streams: Streams, caller: Caller
) -> None:
    """What the server has taken in stays bounded."""
    sent = 0

    def requests() -> Iterator[bytes]:
        nonlocal sent
        for request in repeat(wire(LARGE)):
            sent += 1
            yield request

    streams.work = _hang
    call = caller.up(requests())
    eventually(lambda: sent > 0)
    assert settled(lambda: sent) < MOST_BUFFERED
    call.cancel()
    eventually(lambda: streams.over == 1)


@pytest.mark.parametrize("work", [join, _flood])
def test_a_client_that_neither_sends_nor_reads_is_left(
    streams: Streams, caller: Caller, monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    """What its call held is free for others."""
    monkeypatch.setattr(call_module, "PATIENCE_S", 0.2)
    streams.work = work
    requests: Requests[bytes] = Requests()
    replies = caller.both(iter(requests))
    eventually(lambda: streams.over == 1)
    if work is join:
        assert refused(list, replies).code is grpc.StatusCode.DEADLINE_EXCEEDED
    else:
        replies.cancel()  # how it ended waits behind what was not read
    requests.close()


def test_a_client_that_does_not_read_how_its_call_ended_is_left(
    streams: Streams, serve_with: ServeWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status waits behind what was sent before, and no call waits for it for ever."""
    monkeypatch.setattr(call_module, "PATIENCE_S", 0.2)
    streams.work = _flood
    with captured() as log:
        replies = Caller(serve_with()).down()
        next(replies)
        eventually(lambda: any(entry["event"] == "call" for entry in log.entries))
    assert streams.over == 1
    replies.cancel()


def test_a_stop_ends_streams_after_the_drain_time(streams: Streams, serve_with: ServeWith) -> None:
    """Until then they go on; then they are told that they can be taken up elsewhere."""
    server = serve_with(drain_time="300ms")
    streams.work = endless
    replies = Caller(server).down()
    next(replies)
    stopping = Thread(target=server.loop.run, args=(server.app.stop(),))
    stopping.start()
    error = refused(list, replies)
    stopping.join()
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, Reason.STORE_UNAVAILABLE)
    assert error.retry_s is not None
    assert streams.over == 1


def test_a_stop_does_not_wait_for_a_reader_that_does_not_read(
    streams: Streams, serve_with: ServeWith
) -> None:
    """Its stream is cut."""
    server = serve_with(drain_time="100ms")
    streams.work = _flood
    replies = Caller(server).down()
    next(replies)
    eventually(lambda: streams.begun == 1)
    server.loop.run(asyncio.wait_for(server.app.stop(), 5))
    assert streams.over == 1
    assert refused(list, replies).code is grpc.StatusCode.UNAVAILABLE
