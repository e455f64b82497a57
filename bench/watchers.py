"""Many watchers in a process of their own, each over a connection of its own."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

import grpc
import uvloop

from answers import WrongAnswerError
from companion import Companion
from serving import Server
from sessionstore.v1 import session_service_pb2 as pb
from sessionstore.v1.session_service_pb2_grpc import SessionServiceStub

_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.005
_OWN_CONNECTION: Final = [("grpc.use_local_subchannel_pool", 1)]


@dataclass
class Heard:
    """What one watcher was told."""

    at_s: dict[str, float] = field(default_factory=dict)
    """By session: when it was told of it, by the machine's monotonic clock."""
    events: int = 0
    checkpoints: int = 0


@dataclass(frozen=True)
class Told:
    """What all of them were told."""

    heard: list[Heard]
    cpu_s: float
    """CPU time of their process so far, in seconds."""


class Watchers(Companion):
    """Streams of WatchSessions that tell of everything, while the context lasts."""

    def __init__(self, server: Server, count: int) -> None:
        super().__init__(_run, server.address, server.token, count)

    def ready(self) -> Told:
        """Wait until each has come to a checkpoint; what it was told before is forgotten."""
        told: Told = self.ask(0)
        return told

    def hear(self, written: Mapping[str, float]) -> Told:
        """Wait until each was told of as many events as there are sessions in `written`.

        Raises:
            WrongAnswerError: one was not told of each exactly once.
        """
        told: Told = self.ask(len(written))
        for heard in told.heard:
            if heard.events != len(written) or heard.at_s.keys() != written.keys():
                missing = len(written.keys() - heard.at_s.keys())
                raise WrongAnswerError(f"{heard.events} events of {len(written)}, {missing} missed")
        return told


def _run(parent: Connection, address: str, token: str, count: int) -> None:
    uvloop.run(_work(parent, address, token, count))


async def _work(parent: Connection, address: str, token: str, count: int) -> None:
    heard = [Heard() for _ in range(count)]
    streams = [asyncio.create_task(_listen(address, token, each)) for each in heard]
    asking = asyncio.create_task(_answer(parent, heard))
    done, _ = await asyncio.wait([asking, *streams], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    for task in streams:
        task.cancel()
    await asyncio.gather(*streams, return_exceptions=True)


async def _listen(address: str, token: str, heard: Heard) -> None:
    metadata = (("authorization", f"Bearer {token}"),)
    async with grpc.aio.insecure_channel(address, _OWN_CONNECTION) as channel:
        stub: Any = SessionServiceStub(channel)
        async for response in stub.WatchSessions(pb.WatchSessionsRequest(), metadata=metadata):
            now_s = time.monotonic()
            for event in response.events.events:
                heard.at_s.setdefault(event.session_id, now_s)
            heard.events += len(response.events.events)
            heard.checkpoints += response.HasField("checkpoint")
    raise WrongAnswerError("a stream has ended")


async def _answer(parent: Connection, heard: list[Heard]) -> None:
    """Each time it is asked: give what was heard once that is so many events, and forget it."""
    while True:
        await _until(parent.poll, math.inf)
        try:
            events = parent.recv()
        except EOFError:
            return
        await _until(partial(_have, heard, events), _PATIENCE_S)
        parent.send(Told(heard, time.process_time()))
        for each in heard:
            each.at_s, each.events, each.checkpoints = {}, 0, 0


def _have(heard: list[Heard], events: int) -> bool:
    return all(each.checkpoints and each.events >= events for each in heard)


async def _until(condition: Callable[[], bool], within_s: float) -> None:
    """Wait until it holds, or for so long."""
    deadline_s = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline_s:  # noqa: ASYNC110  pipes have no event
        await asyncio.sleep(_POLL_S)
