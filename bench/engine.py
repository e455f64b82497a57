"""The embedded engine for a measurement, and what is asked of it past the store."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from redis import Redis

from sessiond.store.embedded import EmbeddedEngine

_POLL_S: Final = 0.01
_SETTLE_S: Final = 60.0


@asynccontextmanager
async def embedded(**config: str) -> AsyncIterator[EmbeddedEngine]:
    """An engine on a directory of its own, as sessiond starts it, with these directives besides."""
    directives = {name.replace("_", "-"): value for name, value in config.items()}
    with tempfile.TemporaryDirectory(prefix="ss-") as directory:
        engine = EmbeddedEngine(directory, config=directives)
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop()


def client_of(engine: EmbeddedEngine) -> Redis:
    """A plain client, for looking on."""
    return Redis(unix_socket_path=str(engine.socket_path), protocol=2)


def used_memory(redis: Redis) -> int:
    """Bytes of the data: without the buffers of clients and of the append-only file."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        info: dict[str, Any] = redis.info("memory")
        if not info["lazyfree_pending_objects"]:
            return int(info["used_memory"] - info["mem_clients_normal"] - info["mem_aof_buffer"])
        if time.monotonic() > deadline:
            raise TimeoutError("the engine did not free what was deleted")
        time.sleep(_POLL_S)
