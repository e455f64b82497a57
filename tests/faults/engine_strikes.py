"""Strikes against the engine: its process, its memory, its disk, its scripts and its clock."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.faults.arena import READ_TIMEOUT_S
from tests.faults.backend import ENDED, Refused, attempt, new_user
from tests.faults.one_node import NodeStore
from tests.faults.strikes import Scene, Strike

_SHORT_S: Final = (0.05, 0.8 * READ_TIMEOUT_S)
_LONG_S: Final = (1.5 * READ_TIMEOUT_S, 4 * READ_TIMEOUT_S)
_DOWN_S: Final = (0.0, 0.5)
FARTHEST_STEP_S: Final = 20
"""How far a clock steps: past grace times and short lifetimes, within the leeway of tokens."""
_FULL: Final = Refused("RESOURCE_EXHAUSTED", "STORE_FULL")
_ROOM_BYTES: Final = 2_000
_EXIT_PATIENCE_S: Final = 3.0
_POLL_S: Final = 0.01


async def engine_killed(scene: Scene[NodeStore]) -> int:
    """The engine is killed (SIGKILL), and started again on its data."""
    await scene.arena.do(scene.arena.store.engine.kill9)
    await asyncio.sleep(scene.dice.uniform(*_DOWN_S))
    await scene.arena.do(scene.arena.store.engine.start)
    return 1


async def engine_hangs_shortly(scene: Scene[NodeStore]) -> int:
    """The engine is stopped (SIGSTOP) for less than a server waits for it."""
    return await _hang(scene, scene.dice.uniform(*_SHORT_S))


async def engine_hangs_long(scene: Scene[NodeStore]) -> int:
    """The engine is stopped (SIGSTOP) for longer than a server waits for it."""
    return await _hang(scene, scene.dice.uniform(*_LONG_S))


async def memory_full(scene: Scene[NodeStore]) -> int:
    """The engine is at its memory limit: nobody can log in, and everybody can leave."""
    arena = scene.arena
    before = await arena.store.errors_of("OOM")
    async with arena.backend(arena.servers[0].address, channels=1) as backend:
        login = await backend.create(new_user())
        await arena.store.ask("CONFIG", "SET", "maxmemory", 1)
        try:
            await scene.lasts()
            assert await attempt(backend.create(new_user())) == _FULL
            left = await backend.revoke(session_id=login.session.session_id)
            assert left.state == ENDED
        finally:
            await arena.store.ask("CONFIG", "SET", "maxmemory", 0)
    return await arena.store.errors_of("OOM") - before


async def disk_full(scene: Scene[NodeStore]) -> int:
    """The engine's append-only file may not grow further: it refuses to write until it may."""
    arena = scene.arena
    before = await arena.store.errors_of("MISCONF")
    async with _file_limit(arena.store):
        await scene.lasts()
    return await arena.store.errors_of("MISCONF") - before


async def disk_full_for_good(scene: Scene[NodeStore]) -> int:
    """With appendfsync always the engine exits if its file may not grow; it is started again."""
    engine = scene.arena.store.engine
    deadline = time.monotonic() + _EXIT_PATIENCE_S
    async with _file_limit(scene.arena.store):
        while not engine.has_ended():
            if time.monotonic() > deadline:
                return 0
            await asyncio.sleep(_POLL_S)
    await asyncio.sleep(scene.dice.uniform(*_DOWN_S))
    await scene.arena.do(engine.kill9)
    await scene.arena.do(engine.start)
    return 1


async def scripts_forgotten(scene: Scene[NodeStore]) -> int:
    """The engine forgets its scripts (SCRIPT FLUSH), again and again."""
    before = await scene.arena.store.errors_of("NOSCRIPT")
    for _ in range(scene.dice.randint(1, 4)):
        await scene.arena.store.ask("SCRIPT", "FLUSH")
        await asyncio.sleep(0.05)
    return await scene.arena.store.errors_of("NOSCRIPT") - before


async def clock_steps_forward(scene: Scene[NodeStore]) -> int:
    """The engine's clock steps forward."""
    return await _step(scene, scene.dice.randint(1, FARTHEST_STEP_S))


async def clock_steps_back(scene: Scene[NodeStore]) -> int:
    """The engine's clock steps back."""
    return await _step(scene, -scene.dice.randint(1, FARTHEST_STEP_S))


async def _hang(scene: Scene[NodeStore], lasts_s: float) -> int:
    pid = scene.arena.store.engine.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(lasts_s)
    finally:
        os.kill(pid, signal.SIGCONT)
    return 1


@asynccontextmanager
async def _file_limit(store: NodeStore) -> AsyncIterator[None]:
    """Let no file of the engine grow beyond a few bytes more than its largest (RLIMIT_FSIZE).

    The engine meets EFBIG, and no SIGXFSZ: its launcher is a Python, which ignores that signal.
    """
    pid = store.engine.pid
    assert pid
    limit = _largest_file(store.engine.directory / "appendonlydir") + _ROOM_BYTES
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, unlimited))
    try:
        yield
    finally:
        if not store.engine.has_ended():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))


def _largest_file(directory: Path) -> int:
    return max(file.stat().st_size for file in directory.iterdir())


async def _step(scene: Scene[NodeStore], seconds: int) -> int:
    # Only after the round does it step back to where it was: what had expired would live again.
    scene.aftermath.callback(_set_clock, scene.arena.store, 0)
    _set_clock(scene.arena.store, seconds)
    await scene.lasts()
    engine_s, _ = await scene.arena.store.ask("TIME")
    return int(abs(int(engine_s) - time.time() - seconds) < 2)


def _set_clock(store: NodeStore, seconds: int) -> None:
    assert store.clock
    unfinished = store.clock.with_suffix(".new")
    unfinished.write_text(f"{seconds:+}")
    unfinished.replace(store.clock)


CLOCK: Final[tuple[Strike[NodeStore], ...]] = (clock_steps_forward, clock_steps_back)
ENGINE: Final[tuple[Strike[NodeStore], ...]] = (
    engine_killed,
    engine_hangs_shortly,
    engine_hangs_long,
    memory_full,
    disk_full,
    scripts_forgotten,
)
DURABLE: Final[tuple[Strike[NodeStore], ...]] = (engine_killed, disk_full_for_good)
"""For an engine with appendfsync always."""
