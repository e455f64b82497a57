"""A caller that calls as fast as it can and never waits, from a process of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import cycle
from multiprocessing.connection import Connection
from typing import Any, Final

import grpc
import uvloop

from companion import Companion
from load import SERVICE
from serving import Server
from sessionstore.v1 import session_service_pb2 as pb

IN_FLIGHT: Final = 256
_CHANNELS: Final = 4
_LONGEST_S: Final = 120.0
"""It ends by itself then."""
_CALL_TIMEOUT_S: Final = 20.0


class Flood(Companion):
    """ValidateSession of some sessions, so many calls in flight all the time, refused or not."""

    def __init__(self, server: Server, token: str, session_ids: Sequence[str]) -> None:
        super().__init__(_run, server.address, token, session_ids)

    def answers(self) -> Mapping[str, int]:
        """How many calls ended with each status since this was asked last."""
        answers: Mapping[str, int] = self.ask()
        return answers


def _run(parent: Connection, address: str, token: str, session_ids: Sequence[str]) -> None:
    uvloop.run(_work(parent, address, token, session_ids))


async def _work(parent: Connection, address: str, token: str, session_ids: Sequence[str]) -> None:
    answers: Counter[str] = Counter()
    metadata = (("authorization", f"Bearer {token}"),)

    async def call_on(channel: grpc.aio.Channel) -> None:
        call: Any = channel.unary_unary(SERVICE + "ValidateSession", None, None)
        for session_id in cycle(session_ids):
            request = pb.ValidateSessionRequest(session_id=session_id).SerializeToString()
            try:
                await call(request, metadata=metadata, timeout=_CALL_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                answers[error.code().name] += 1
            else:
                answers["OK"] += 1

    # Channels to one address would share a connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(_CHANNELS)]
    calling = [
        asyncio.create_task(call_on(channels[number % _CHANNELS])) for number in range(IN_FLIGHT)
    ]
    asked = asyncio.Event()
    asyncio.get_running_loop().add_reader(parent.fileno(), asked.set)
    try:
        async with asyncio.timeout(_LONGEST_S):
            while await asked.wait():
                asked.clear()
                parent.recv()
                parent.send(dict(answers))
                answers.clear()
    except (EOFError, TimeoutError):
        pass
    finally:
        for each in calling:
            each.cancel()
        await asyncio.gather(*calling, return_exceptions=True)
        for channel in channels:
            await channel.close(None)
