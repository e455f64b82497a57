"""A store and real servers behind proxies, all of which may be killed, stopped and restarted."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, ParamSpec, TypeVar

import grpc

from sessiond.domain import ids
from tests.faults.backend import Backend
from tests.faults.hand import Hand
from tests.faults.plan import AnyStore_co, Plan
from tests.faults.proxy import GrpcWatch, Proxy
from tests.faults.sessiond import Sessiond

PREFIX: Final = "ss"
READ_TIMEOUT_S: Final = 0.3
"""How long a server waits for its engine."""
DEADLINE_S: Final = 0.5
"""How long a call may take a server."""
KEY_RELOAD_S: Final = 0.2
KEY_PUBLISH_S: Final = 2.0
"""Key files tell their age in whole seconds: a shorter time could be over before a reload."""
_PORTS: Final = range(20_000, 32_000)
"""Below those that the system gives to connections, one of which could take a dead server's."""
_PROBE_S: Final = 0.5
_POLL_S: Final = 0.01
_PATIENCE_S: Final = 30.0

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


@dataclass(frozen=True, kw_only=True)
class Doors:
    """How clients come to servers."""

    lined: bool = True
    """Whether over a proxy before each server."""
    credentials: Callable[[], grpc.ChannelCredentials | None] = lambda: None
    """Of a new connection; without any it is in plaintext."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What servers have to know of it."""


@dataclass(frozen=True)
class Arena(Generic[AnyStore_co]):
    """A store, and servers that share it, their key ring and their callers."""

    store: AnyStore_co
    servers: list[Sessiond]
    client_lines: list[Proxy]
    """One before each server, in the same order, if there are any."""
    doors: Doors
    _hand: Hand

    @property
    def addresses(self) -> list[str]:
        """Where clients connect to, one for each server."""
        ways = self.client_lines or self.servers
        return [way.address for way in ways]

    def pids(self) -> list[int]:
        """The processes that run."""
        return [*self.store.pids(), *(server.pid for server in self.servers if server.pid)]

    @property
    def token(self) -> str:
        """A service token of a caller with role admin."""
        return self.servers[0].token

    def backend(
        self, *addresses: str, channels: int = 4, deadline_s: float = DEADLINE_S
    ) -> Backend:
        """One that calls these addresses in turn, or those of all servers."""
        target = "ipv4:" + ",".join(addresses or self.addresses)
        credentials = self.doors.credentials()
        return Backend(
            target, self.token, channels=channels, deadline_s=deadline_s, credentials=credentials
        )

    async def do(
        self,
        work: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> _Result:
        """Do something that blocks, in the arena's thread."""
        return await self._hand.do(work, *arguments, **options)

    def held(
        self, blocking: AbstractContextManager[_Result]
    ) -> AbstractAsyncContextManager[_Result]:
        """Enter and exit something that blocks, in the arena's thread."""
        return self._hand.held(blocking)

    async def heals(self, *addresses: str) -> float:
        """Wait until these servers, or all, reach every part of the store; the seconds it took.

        Raises:
            RuntimeError: one does not, in a long time.
        """
        started = time.monotonic()
        await asyncio.gather(*map(self._answers, addresses or self.addresses))
        return time.monotonic() - started

    async def _answers(self, address: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        async with self.backend(address, channels=1) as backend:
            while time.monotonic() < deadline:
                # Whatever the verdicts: they say that the server has reached its engines.
                validations = backend.validations({"session_id": each} for each in _EVERYWHERE)
                with suppress(TimeoutError, grpc.aio.AioRpcError):
                    await asyncio.wait_for(validations, _PROBE_S)
                    return
                await asyncio.sleep(_POLL_S)
        raise RuntimeError(
            "\n".join((f"{address} answers nothing", *map(Sessiond.log, self.servers)))
        )


def _one_of_each_partition() -> list[str]:
    users = {
        ids.partition_of_user(user): user
        for user in map(str, itertools.islice(itertools.count(), 100 * ids.PARTITIONS))
    }
    return [ids.new_session_id(user) for user in users.values()]


_EVERYWHERE: Final = _one_of_each_partition()
"""Session ids that there are not."""


@asynccontextmanager
async def open_arena(
    plan: Plan[AnyStore_co],
    doors: Doors = Doors(),
    /,
    **settings: str,
) -> AsyncIterator[Arena[AnyStore_co]]:
    """Start everything that the plan names; all of it ends afterwards, stopped or not.

    Every server has these settings on top of ours.
    """
    plan.require()
    async with AsyncExitStack() as stack:
        hand = stack.enter_context(Hand())
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-")))
        store = await stack.enter_async_context(plan.open(place, hand))
        arena = Arena(store, [], [], doors, hand)
        stack.push_async_callback(_end, arena)
        shared = {**_SETTINGS, "data_dir": str(place), "store_url": store.url_of_servers}
        for number in range(plan.servers):
            directory = place / str(number)
            directory.mkdir()
            server = Sessiond(
                directory, {**shared, **doors.settings, **settings}, f"127.0.0.1:{_free_port()}"
            )
            arena.servers.append(server)
            await arena.do(server.start)
            await server.serving()  # the first makes the keys of all
            if doors.lined:
                before = Proxy.before_tcp(server.address, GrpcWatch)
                arena.client_lines.append(await stack.enter_async_context(before))
        yield arena


_SETTINGS: Final = {
    "key_prefix": PREFIX,
    "store_read_timeout": f"{READ_TIMEOUT_S}s",
    "key_reload_interval": f"{KEY_RELOAD_S}s",
    "key_publish_time": f"{KEY_PUBLISH_S}s",
    "max_call_time": f"{DEADLINE_S}s",
}


async def _end(arena: Arena[AnyStore_co]) -> None:
    """Let go on what a failed test left stopped, then end the servers."""
    for server in arena.servers:
        server.signal(signal.SIGCONT)
    await asyncio.gather(*(arena.do(server.stop) for server in arena.servers))


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
