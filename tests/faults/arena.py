"""A real engine and real servers behind proxies, all of which may be killed, stopped and restarted.

Processes are started, signalled and awaited in a thread of the arena's own, so that the event loop
goes on meanwhile; the thread lives until they have ended, as their parent-death signal asks.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import grpc
import pytest

from sessiond.domain import ids
from sessiond.store.connect import open_link
from sessiond.store.link import LinkLimits
from tests.engines import REQUIRE_ENV, RealEngine, RealName, start_real_engine
from tests.faults.backend import Backend
from tests.faults.proxy import GrpcWatch, Proxy, RespWatch
from tests.faults.sessiond import Sessiond

PREFIX: Final = "ss"
READ_TIMEOUT_S: Final = 0.3
"""How long a server waits for its engine."""
DEADLINE_S: Final = 0.5
"""How long a call may take a server."""
KEY_RELOAD_S: Final = 0.2
KEY_PUBLISH_S: Final = 2.0
"""Key files tell their age in whole seconds: a shorter time could be over before a reload."""
FAKETIME: Final = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""Debian's libfaketime. It works under Valkey, and not under an engine that is built with a shared
jemalloc."""
_PORTS: Final = range(20_000, 32_000)
"""Below those that the system gives to connections, one of which could take a dead server's."""
_PROBE_S: Final = 0.5
_POLL_S: Final = 0.01
_PATIENCE_S: Final = 30.0

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


@dataclass(frozen=True)
class Plan:
    """What an arena is built of."""

    engine: RealName = "valkey"
    appendfsync: str = "everysec"
    servers: int = 2
    clock: bool = False
    """Whether the engine's clock can be set."""


@dataclass(frozen=True)
class Arena:
    """One engine, and servers that share it, their key ring and their callers."""

    engine: RealEngine
    engine_line: Proxy
    """Between every server and the engine."""
    servers: list[Sessiond]
    client_lines: list[Proxy]
    """One before each server, in the same order."""
    clock: Path | None
    """What the engine's clock is off by, in libfaketime's notation; None if it cannot be set."""
    _hand: ThreadPoolExecutor

    @property
    def addresses(self) -> list[str]:
        """Where clients connect to, one for each server."""
        return [line.address for line in self.client_lines]

    def pids(self) -> list[int]:
        """The processes that run."""
        pids = (self.engine.pid, *(server.pid for server in self.servers))
        return [pid for pid in pids if pid]

    @property
    def token(self) -> str:
        """A service token of a caller with role admin."""
        return self.servers[0].token

    async def do(
        self,
        work: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> _Result:
        """Do something that blocks, in the arena's thread."""
        run = asyncio.get_running_loop().run_in_executor
        return await run(self._hand, lambda: work(*arguments, **options))

    async def ask_engine(self, *command: str | int) -> Any:
        """One command on a connection of the test's own, past the proxy; its raw reply."""
        link = open_link(self.engine.url, LinkLimits())
        try:
            return await link.send(*command)
        finally:
            await link.close()

    async def errors_of_engine(self, kind: str) -> int:
        """How many replies of an error kind, such as OOM, the engine has given since its start."""
        told = await self.ask_engine("INFO", "errorstats")
        found = re.search(rb"errorstat_%b:count=(\d+)" % kind.encode(), told)
        return int(found[1]) if found else 0

    async def heals(self) -> float:
        """Wait until every server answers a Validate; the seconds that it took.

        Raises:
            RuntimeError: one does not, in a long time.
        """
        started = time.monotonic()
        await asyncio.gather(*map(self._answers, self.addresses))
        return time.monotonic() - started

    async def _answers(self, address: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        async with Backend(address, self.token, channels=1) as backend:
            while time.monotonic() < deadline:
                # Whatever the verdict: it says that the server has reached its engine.
                validate = backend.validate(session_id=ids.new_session_id("nobody"))
                with suppress(TimeoutError, grpc.aio.AioRpcError):
                    await asyncio.wait_for(validate, _PROBE_S)
                    return
                await asyncio.sleep(_POLL_S)
        raise RuntimeError(
            "\n".join((f"{address} answers nothing", *map(Sessiond.log, self.servers)))
        )


@asynccontextmanager
async def open_arena(plan: Plan, **settings: str) -> AsyncIterator[Arena]:
    """Start everything that the plan names; all of it ends afterwards, stopped or not.

    Every server has these settings on top of ours.
    """
    async with AsyncExitStack() as stack:
        hand = stack.enter_context(ThreadPoolExecutor(1, "arena"))
        loop = asyncio.get_running_loop()
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-")))
        environment, clock = _settable_clock(place) if plan.clock else ({}, None)
        running = start_real_engine(
            plan.engine,
            config={"appendfsync": plan.appendfsync},
            appendonly=True,
            environment=environment,
        )
        engine = await loop.run_in_executor(hand, running.__enter__)
        stack.push_async_callback(loop.run_in_executor, hand, running.__exit__, None, None, None)
        line = await stack.enter_async_context(
            Proxy.between_unix(place / "p", engine.socket_path, RespWatch)
        )
        arena = Arena(engine, line, [], [], clock, hand)
        stack.push_async_callback(_end, arena)
        for number in range(plan.servers):
            server = _server(place / str(number), place, settings)
            arena.servers.append(server)
            await arena.do(server.start)
            await server.serving()  # the first makes the keys of all
            before = Proxy.before_tcp(server.address, GrpcWatch)
            arena.client_lines.append(await stack.enter_async_context(before))
        yield arena


async def _end(arena: Arena) -> None:
    """Let go on what a failed test left stopped, then end the servers."""
    with suppress(ProcessLookupError):
        if arena.engine.pid:
            os.kill(arena.engine.pid, signal.SIGCONT)
    for server in arena.servers:
        server.signal(signal.SIGCONT)
    await asyncio.gather(*(arena.do(server.stop) for server in arena.servers))


def _server(directory: Path, shared: Path, more: Mapping[str, str]) -> Sessiond:
    directory.mkdir()
    settings = {
        "data_dir": str(shared),
        "store_url": f"unix://{shared / 'p'}",
        "key_prefix": PREFIX,
        "store_read_timeout": f"{READ_TIMEOUT_S}s",
        "key_reload_interval": f"{KEY_RELOAD_S}s",
        "key_publish_time": f"{KEY_PUBLISH_S}s",
        "max_call_time": f"{DEADLINE_S}s",
        **more,
    }
    return Sessiond(directory, settings, f"127.0.0.1:{_free_port()}")


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _settable_clock(place: Path) -> tuple[dict[str, str], Path]:
    if FAKETIME is None:
        reason = "libfaketime is not installed (Debian: faketime)"
        pytest.fail(reason) if os.environ.get(REQUIRE_ENV) == "1" else pytest.skip(reason)
    clock = place / "clock"
    clock.write_text("+0")
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # Its timeouts and its event loop go by the monotonic clock, which never steps.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }, clock
