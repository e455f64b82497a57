"""What watchers cost a server, and whether each is told of everything."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from load import Times, waits
from log_writer import write_events
from serving import Server
from watchers import Watchers

CROWD: Final = 200
_CROWD_RATES: Final = (0, 10, 100)
_CROWD_S: Final = 10.0
FAST_PER_S: Final = 5_000
_FAST_S: Final = 10.0


@dataclass(frozen=True)
class Share:
    """What watchers cost and were told, at a rate of events."""

    per_s: float
    """Events that were written in a second."""
    written: int
    server_s: float
    """CPU time of the server, in seconds, for each second."""
    watchers_s: float
    """The same of the process of all watchers."""
    delays: Times
    """From the engine's acknowledgement until a watcher had the event."""


@dataclass(frozen=True)
class Crowd:
    """Many watchers on one server."""

    memory: float
    """The server's resident memory for each of them, in bytes."""
    shares: Sequence[Share]


def watch_in_crowds(server: Server) -> Crowd:
    """Let many watch a fresh server, at several rates of events."""
    with Watchers(server, 1) as first:
        first.ready()
    before = server.memory()
    with Watchers(server, CROWD) as watchers:
        watchers.ready()
        memory = (server.memory() - before) / CROWD
        return Crowd(memory, [_share(server, watchers, rate, _CROWD_S) for rate in _CROWD_RATES])


def watch_fast(server: Server) -> Share:
    """Let one watch, while as much happens as it has to bear."""
    with Watchers(server, 1) as watcher:
        return _share(server, watcher, FAST_PER_S, _FAST_S)


def _share(server: Server, watchers: Watchers, per_s: int, seconds: float) -> Share:
    """Write events at a rate; every watcher has to be told of each of them once."""
    theirs_s = watchers.ready().cpu_s
    ours_s, begun_s = server.cpu_s(), time.monotonic()
    written = write_events(server, per_s, seconds)
    reached_per_s = len(written) / (time.monotonic() - begun_s)
    time.sleep(max(0.0, begun_s + seconds - time.monotonic()))
    told = watchers.hear(written)
    took_s = time.monotonic() - begun_s
    return Share(
        reached_per_s,
        len(written),
        (server.cpu_s() - ours_s) / took_s,
        (told.cpu_s - theirs_s) / took_s,
        waits(written, [heard.at_s for heard in told.heard]),
    )
