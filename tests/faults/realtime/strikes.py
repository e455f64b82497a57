"""Strikes that concern watchers more than others."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from typing import Final

from sessiond.domain.errors import StoreUnavailableError
from sessiond.domain.ids import PARTITIONS
from sessiond.store.keyspace import Keyspace
from tests.faults.arena import PREFIX, Arena
from tests.faults.engine_strikes import DURABLE
from tests.faults.line import Line
from tests.faults.line_strikes import CLIENT_LINES, ENGINE_LINE
from tests.faults.one_node import NodeStore
from tests.faults.server_strikes import server_hangs, server_killed, server_restarted
from tests.faults.strikes import Scene, Strike, mixture

_CUTS: Final = (1, 5)
_PAUSE_S: Final = 0.1
_TRIM: Final = """
local trimmed = 0
for _, log in ipairs(KEYS) do trimmed = trimmed + redis.call('XTRIM', log, 'MAXLEN', ARGV[1]) end
return trimmed
"""


async def connections_cut(scene: Scene[NodeStore]) -> int:
    """All connections of a line to a server end, several times."""
    struck = 0
    for _ in range(scene.dice.randint(*_CUTS)):
        line = scene.dice.choice(scene.arena.client_lines)
        before = line.struck
        line.cut()
        struck += line.struck - before
        await asyncio.sleep(_PAUSE_S)
    return struck


async def engine_hangs(scene: Scene[NodeStore]) -> int:
    """The engine is stopped (SIGSTOP), and goes on."""
    pid = scene.arena.store.engine.pid
    if pid is None:  # killed by another strike
        return 0
    os.kill(pid, signal.SIGSTOP)
    try:
        await scene.lasts()
    finally:
        os.kill(pid, signal.SIGCONT)
    return 1


async def log_trimmed(scene: Scene[NodeStore]) -> int:
    """The logs of events are trimmed by hand (XTRIM), several times."""
    struck = 0
    for _ in range(scene.dice.randint(*_CUTS)):
        struck += await _trim(scene.arena, left=scene.dice.randint(0, 3))
        await asyncio.sleep(_PAUSE_S)
    return struck


async def log_trimmed_unseen(scene: Scene[NodeStore]) -> int:
    """The logs are trimmed while no watcher is connected, so that all of them have a gap."""
    for line in scene.arena.client_lines:
        line.turn(Line.DOWN)
    try:
        await scene.lasts()
        return await _trim(scene.arena, left=0)
    finally:
        for line in scene.arena.client_lines:
            line.turn(Line.CLEAR)


async def _trim(arena: Arena[NodeStore], left: int) -> int:
    """Leave so many of the latest events of each log; how many went."""
    keys = map(Keyspace(PREFIX).log, range(PARTITIONS))
    try:
        return int(await arena.store.ask("EVAL", _TRIM, PARTITIONS, *keys, left))
    except StoreUnavailableError:  # struck as well
        return 0


_MIXED: Final[Strike[NodeStore]] = functools.partial(
    mixture,
    groups=(
        ENGINE_LINE,
        (*CLIENT_LINES, connections_cut),
        (*DURABLE, engine_hangs),
        (server_killed, server_restarted, server_hangs),
        (log_trimmed, log_trimmed_unseen),
    ),
)
_SINGLE: Final[tuple[Strike[NodeStore], ...]] = (
    log_trimmed_unseen,
    server_restarted,
    connections_cut,
    engine_hangs,
    server_killed,
    log_trimmed,
    *DURABLE,
    *CLIENT_LINES,
    server_hangs,
    *ENGINE_LINE,
)
STRIKES: Final = tuple(strike for single in _SINGLE for strike in (_MIXED, single))
"""In turn."""
