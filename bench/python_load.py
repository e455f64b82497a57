"""Load by Python processes: for requests that differ, and where `h2load` is not installed.

Every answer is read. The processes stay for all runs.
"""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from threading import Barrier
from typing import Any, Final

import grpc
import uvloop

from answers import RESPONSES, check
from load import IN_FLIGHT, SERVICE, Load, Times
from serving import Server
from sessionstore.v1 import session_service_pb2 as pb

_PROCESSES: Final = 2
_CALL_TIMEOUT_S: Final = 20.0
_START_TIMEOUT_S: Final = 30.0
_OF_ITS_OWN: Final = (("grpc.use_local_subchannel_pool", 1),)
"""Channels to one address share a connection by default."""


@dataclass(frozen=True)
class _Share:
    """What one process does."""

    address: str
    token: str
    load: Load
    connections: int


@dataclass(frozen=True)
class _Done:
    """When it was done, by the machine's monotonic clock in seconds."""

    started: float
    ended: float
    latencies_ms: list[float]


def drive(server: Server, load: Load, meter: AbstractContextManager[object]) -> Times:
    """Put a load on the server; the meter is around it.

    Raises:
        WrongAnswerError: an answer was wrong.
        grpc.aio.AioRpcError: a call failed.
    """
    if load.uniform:
        requests, expected = load.requests * load.repeat, load.expected * load.repeat
        load = replace(load, requests=requests, expected=expected, repeat=1)
    shares = [
        _Share(
            server.address,
            server.token,
            replace(
                load, requests=load.requests[i::_PROCESSES], expected=load.expected[i::_PROCESSES]
            ),
            server.spread,
        )
        for i in range(_PROCESSES)
    ]
    with meter:
        done = list(_pool().map(_run, shares))
    latencies = [ms for part in done for ms in part.latencies_ms]
    if len(latencies) != load.calls:
        raise AssertionError(f"{len(latencies)} calls were made, not {load.calls}")
    seconds = max(part.ended for part in done) - min(part.started for part in done)
    return Times(seconds, latencies)


@functools.cache
def _pool() -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(_PROCESSES)
    return ProcessPoolExecutor(_PROCESSES, context, initializer=_begin, initargs=(together,))


def _begin(together: Barrier) -> None:
    """Set up a load process: one event loop for all runs, which gRPC does not let go of."""
    _runners.append(asyncio.Runner(loop_factory=uvloop.new_event_loop))
    _together.append(together)


_runners: list[asyncio.Runner] = []
_together: list[Barrier] = []
"""What the processes wait at, for each other, before they start."""


def _run(share: _Share) -> _Done:
    return _runners[0].run(_work(share))


async def _work(share: _Share) -> _Done:
    load = share.load
    metadata = (("authorization", f"Bearer {share.token}"),)
    left = iter(zip(load.requests, load.expected, strict=True))
    latencies: list[float] = []
    response = RESPONSES[load.method]
    async with AsyncExitStack() as open_channels:
        channels = [
            await open_channels.enter_async_context(
                grpc.aio.insecure_channel(share.address, _OF_ITS_OWN)
            )
            for _ in range(share.connections)
        ]
        calls: list[Any] = [
            channel.unary_unary(
                SERVICE + load.method,
                request_serializer=None,
                response_deserializer=response.FromString,
            )
            for channel in channels
        ]

        async def caller(call: Any) -> None:
            for first, expected in left:
                request = first
                for _ in range(load.repeat):
                    began = time.monotonic()
                    reply = await call(request, metadata=metadata, timeout=_CALL_TIMEOUT_S)
                    latencies.append((time.monotonic() - began) * 1000)
                    check(load.method, reply, expected)
                    if load.method == "RefreshSession":
                        request = _next_refresh(request, reply)

        for channel in channels:
            await channel.channel_ready()
        _together[0].wait(_START_TIMEOUT_S)
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(IN_FLIGHT // _PROCESSES):
                group.create_task(caller(calls[number % len(calls)]))
        return _Done(started, time.monotonic(), latencies)


def _next_refresh(request: bytes, reply: Any) -> bytes:
    message = pb.RefreshSessionRequest.FromString(request)
    message.refresh_token = reply.tokens.refresh_token
    message.request_id = str(uuid.uuid4())
    return message.SerializeToString()
