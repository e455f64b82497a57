"""What happens to verifiers of a server in this process."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from tests.engines import RealEngine
from tests.faults.line import Line
from tests.faults.proxy import GrpcWatch, Proxy
from tests.faults.realtime.delays import DELAYS, Delay
from tests.faults.realtime.stage import Place, Stage, open_stage
from tests.rpc.engines import hung
from tests.rpc.logs import captured
from tests.rpc.serving import ServerLoop, make_settings, serve

_CALM_S: Final = 1.0
_AWAY_S: Final = 0.7
_LONG_S: Final = 0.5


@dataclass(frozen=True)
class Room:
    """One server on its engine, and who is at it."""

    engine: RealEngine
    line: Proxy
    stage: Stage


Scene: TypeAlias = Callable[[Room], Awaitable[float]]
"""When all was well again."""


async def calm(_: Room) -> float:
    """Nothing happens."""
    await asyncio.sleep(_CALM_S)
    return time.monotonic()


async def away(room: Room) -> float:
    """All connections end, and can be made again only after a while."""
    await calm(room)
    room.line.turn(Line.DOWN)
    await asyncio.sleep(_AWAY_S)
    room.line.turn(Line.CLEAR)
    return time.monotonic()


async def renewed(room: Room) -> float:
    """Other verifiers come."""
    await calm(room)
    for seat in range(len(room.stage.lookers)):
        await room.stage.renew(seat)
    return time.monotonic()


async def delayed(delay: Delay, room: Room) -> float:
    """Answers come late."""
    await calm(room)
    await delay([room.line], room.stage, random.Random(delay.__name__))
    return time.monotonic()


async def hanging(room: Room) -> float:
    """The engine is stopped for longer than verifiers may lag behind."""
    await calm(room)
    with hung(room.engine):
        await room.stage.hear_nothing(_LONG_S)
    return time.monotonic()


SCENES: Final[tuple[Scene, ...]] = (
    calm,
    away,
    renewed,
    hanging,
    *(functools.partial(delayed, delay) for delay in DELAYS),
)


@asynccontextmanager
async def open_room(
    servers: ServerLoop, engine: RealEngine, directory: Path
) -> AsyncIterator[Room]:
    """Start a server in this process, and let everybody come."""
    settings = await asyncio.to_thread(make_settings, directory, engine.url)
    with captured(), serve(servers, settings) as server:
        address, token = server.app.address, server.mint("admin")
        async with (
            Proxy.before_tcp(address, GrpcWatch) as line,
            open_stage(Place(token, [address], [line.address])) as stage,
        ):
            yield Room(engine, line, stage)
