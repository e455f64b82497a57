"""Strikes against the servers: their processes, their keys, and clients that give up."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.refresh import PREFIX
from tests.faults.arena import KEY_PUBLISH_S, KEY_RELOAD_S, Arena
from tests.faults.backend import answered, new_user
from tests.faults.plan import Store
from tests.faults.sessiond import Sessiond
from tests.faults.strikes import Scene, Strike

_DOWN_S: Final = (0.0, 0.3)
_HANGS_S: Final = (0.1, 1.0)
_ROTATED: Final = (Kind.MAC, Kind.SIGNING, Kind.SERVICE)
_TAKES_OVER_S: Final = KEY_PUBLISH_S + 2 * KEY_RELOAD_S
_CROWD: Final = 16
_PATIENCE_S: Final = 10 * _TAKES_OVER_S
_GIVES_UP_S: Final = (0.0, 0.03)
"""Of a client that gives up: shorter and longer than a call takes."""


async def server_killed(scene: Scene[Store]) -> int:
    """A server is killed (SIGKILL), and started again where it served."""
    return await _down(scene, Sessiond.kill9)


async def server_restarted(scene: Scene[Store]) -> int:
    """A server is stopped in order (SIGTERM), and started again where it served."""
    return await _down(scene, Sessiond.stop)


async def _down(scene: Scene[Store], end: Callable[[Sessiond], None]) -> int:
    server = scene.dice.choice(scene.arena.servers)
    await scene.arena.do(end, server)
    await asyncio.sleep(scene.dice.uniform(*_DOWN_S))
    await scene.arena.do(server.start)
    await server.serving()
    return 1


async def server_hangs(scene: Scene[Store]) -> int:
    """A server is stopped (SIGSTOP) for a while."""
    server = scene.dice.choice(scene.arena.servers)
    server.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(scene.dice.uniform(*_HANGS_S))
    finally:
        server.signal(signal.SIGCONT)
    return 1


async def keys_rotated(scene: Scene[Store]) -> int:
    """A key is added, found by every server, and takes over."""
    kind = scene.dice.choice(_ROTATED)
    keys = scene.arena.servers[0].keys_dir
    command = [sys.executable, "-m", "sessiond", "keys", "rotate", kind, "--dir", str(keys)]
    before = [await _key_in_use(scene.arena, address, kind) for address in scene.arena.addresses]
    await scene.arena.do(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
    if kind is Kind.SERVICE:  # servers only verify by it, and tell nobody
        await asyncio.sleep(_TAKES_OVER_S)
        return 1
    async with asyncio.timeout(_PATIENCE_S):
        for address, old in zip(scene.arena.addresses, before, strict=True):
            while await _key_in_use(scene.arena, address, kind) == old:
                pass
    return 1


async def _key_in_use(arena: Arena[Store], address: str, kind: Kind) -> bytes:
    """What tells the key of this kind that a server mints with now from another."""
    async with arena.backend(address, channels=1) as backend:
        tokens = (await answered(backend.create, new_user())).tokens
    if kind is Kind.MAC:
        return urlsafe_b64decode(tokens.refresh_token.removeprefix(PREFIX))[:4]
    return tokens.access_token.partition(".")[0].encode()


async def cancel_storm(scene: Scene[Store]) -> int:
    """Crowds of users start to work, and soon give up all at once."""
    given_up = 0
    for _ in range(scene.dice.randint(5, 20)):
        crowd = asyncio.ensure_future(scene.crowd(_CROWD))
        await asyncio.sleep(scene.dice.uniform(*_GIVES_UP_S))
        given_up += crowd.cancel()
        with suppress(asyncio.CancelledError):
            await crowd
    return given_up


SERVERS: Final[tuple[Strike[Store], ...]] = (server_killed, server_hangs, cancel_storm)
