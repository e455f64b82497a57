"""What a long piece of work costs server and engine, and what other calls feel of it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from redis import Redis

from engine import client_of
from load import Times
from measuring import Meter
from paced import PacedLoad
from serving import Server

LATENCY_MONITOR: Final = {"latency_monitor_threshold": "1"}
"""The directive with which an engine remembers what held it up for a millisecond or more."""

_COMMANDS: Final = (b"command", b"fast-command")
"""The monitor's events that are commands."""


@dataclass(frozen=True)
class Cost:
    """Of one piece of work. CPU times include those of the load beside it."""

    seconds: float
    engine_s: float
    """CPU time of the engine, in seconds."""
    server_s: float
    """CPU time of the server, in seconds."""
    memory: int
    """The server's resident memory before, in bytes."""
    grew: int
    """By how much its peak was above that, in bytes."""
    stall_ms: int
    """The longest that one command held up the engine, in whole milliseconds; 0 if below 1."""
    validate: Times
    """The load beside it."""


async def cost_of(work: Awaitable[None], server: Server, load: PacedLoad) -> Cost:
    """Do the work, and see what it costs, under a load that goes on."""
    with closing(client_of(server.engine)) as redis:
        redis.latency_reset()
        server.forget_peak_memory()
        memory = server.memory()
        load.take()
        meter, started = Meter(server), time.monotonic()
        with meter:
            await work
        seconds = time.monotonic() - started
        return Cost(
            seconds,
            meter.engine_s,
            meter.server_s,
            memory,
            max(0, server.peak_memory() - memory),
            _longest_command_ms(redis),
            load.take(),
        )


def _longest_command_ms(redis: Redis) -> int:
    return max(
        (int(longest) for event, _, _, longest, *_ in redis.latency_latest() if event in _COMMANDS),
        default=0,
    )
