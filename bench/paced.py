"""A load that asks at a fixed rate, however long the answers take, from a process of its own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Final, Self

import grpc

from answers import check
from companion import Companion
from load import SERVICE, Times
from serving import Server
from sessionstore.v1 import session_service_pb2 as pb

PER_S: Final = 100
_LONGEST_S: Final = 1200
"""It ends by itself then."""
_CALL_TIMEOUT_S: Final = 20.0
_METHOD: Final = "ValidateSession"


class PacedLoad(Companion):
    """ValidateSession of random ones of some live sessions, while the context lasts.

    A call is sent when it is due, even if those before it are not answered.
    """

    def __init__(self, server: Server, session_ids: Sequence[str]) -> None:
        super().__init__(_run, server.address, server.token, session_ids)
        self._since = 0.0

    def __enter__(self) -> Self:
        """Begin; returns when it is under way."""
        super().__enter__()
        self.take()
        return self

    def take(self) -> Times:
        """The calls that were answered since this was asked last.

        Raises:
            WrongAnswerError: a call failed, or an answer was wrong; the process has told which.
        """
        latencies: list[float] = self.ask()
        since, self._since = self._since, time.monotonic()
        return Times(self._since - since, latencies)


def _run(parent: Connection, address: str, token: str, session_ids: Sequence[str]) -> None:
    asyncio.run(_work(parent, address, token, session_ids))


async def _work(parent: Connection, address: str, token: str, session_ids: Sequence[str]) -> None:
    metadata = (("authorization", f"Bearer {token}"),)
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(address) as channel, asyncio.TaskGroup() as group:
        call: Any = channel.unary_unary(
            SERVICE + _METHOD,
            request_serializer=pb.ValidateSessionRequest.SerializeToString,
            response_deserializer=pb.ValidateSessionResponse.FromString,
        )

        async def validate(session_id: str) -> None:
            began = time.monotonic()
            request = pb.ValidateSessionRequest(session_id=session_id)
            reply = await call(request, metadata=metadata, timeout=_CALL_TIMEOUT_S)
            latencies.append((time.monotonic() - began) * 1000)
            check(_METHOD, reply, session_id)

        await channel.channel_ready()
        began = time.monotonic()
        for number in range(PER_S * _LONGEST_S):
            await asyncio.sleep(began + number / PER_S - time.monotonic())
            group.create_task(validate(random.choice(session_ids)))
            if parent.poll() and not _tell(parent, latencies):
                break


def _tell(parent: Connection, latencies: list[float]) -> bool:
    """Give the latencies away; False if the other side is gone."""
    try:
        parent.recv()
    except EOFError:
        return False
    parent.send(latencies)
    latencies.clear()
    return True
