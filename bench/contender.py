"""A server under measurement: sessiond as it is, or with one part exchanged.

    python bench/contender.py KIND

Kinds: sessiond, pooled, default-pool, no-op, native, native-no-op, uncounted, traced.

Settings are those of sessiond, in development mode. It prints the address that it serves on. All
contenders share the process, the interceptors, authentication, decoding, validation and encoding.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Self
from unittest.mock import patch

import uvloop
from google.protobuf.message import Message
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from sessiond import settings
from sessiond.app import App
from sessiond.assembly import front
from sessiond.domain.timings import Timings
from sessiond.ops import logging
from sessiond.rpc import decode, encode
from sessiond.rpc.call import Call, Handler, Method
from sessiond.rpc.interceptors.call_figures import CallFigures
from sessiond.rpc.session_servicer import SessionServicer
from sessiond.settings import Settings
from sessiond.store import multiplexer
from sessiond.store.access import Access
from sessiond.store.engine_errors import translated
from sessiond.store.figures import LinkFigures
from sessiond.store.link import Argument, LinkLimits

SESSIOND: Final = "sessiond"
POOLED: Final = "pooled"
DEFAULT_POOL: Final = "default-pool"
NO_OP: Final = "no-op"
NATIVE: Final = "native"
NATIVE_NO_OP: Final = "native-no-op"
UNCOUNTED: Final = "uncounted"
TRACED: Final = "traced"
_CONNECTIONS: Final = 64
_POOL_WAIT_S: Final = 10.0


class PooledLink:
    """What one would otherwise write: a redis-py pool, and one call of it for each command.

    It waits for a free connection where there is none, as a server under load has to.
    """

    _pool_class: type[ConnectionPool] = BlockingConnectionPool
    _pool_options: Mapping[str, Any] = {"max_connections": _CONNECTIONS, "timeout": _POOL_WAIT_S}

    def __init__(self, url: str, limits: LinkLimits, access: Access) -> None:
        if access != Access():
            raise ValueError("the baseline introduces itself to nobody")
        pool = self._pool_class.from_url(
            url,
            **self._pool_options,
            socket_connect_timeout=limits.connect_s,
            socket_timeout=limits.read_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._redis = Redis.from_pool(pool)
        self._redis.response_callbacks.clear()  # a link gives raw replies
        self.figures = LinkFigures()

    async def send(self, *command: Argument) -> Any:
        """One command over a connection of the pool."""
        try:
            if command[0] == "EVALSHA":
                return await self._redis.evalsha(*command[1:])  # type: ignore[arg-type]
            return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            raise translated(error) from error

    name = ""

    async def holder(self, key: str) -> Self:  # noqa: ARG002  the one node holds every key
        """This link."""
        return self

    def doubt(self) -> None:
        """Nothing: there is no other node."""

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()


class DefaultPoolLink(PooledLink):
    """The pool that redis-py makes unless told otherwise: it fails calls that find it empty."""

    _pool_class = ConnectionPool
    _pool_options: Mapping[str, Any] = {}


class ConstantServicer(SessionServicer):
    """Answers every ValidateSession as the store did the first: the same bytes, and no store."""

    _reply: Message | None = None

    async def ValidateSession(self, call: Call) -> Message:  # noqa: N802  named by the proto
        """Decode and validate the request; the answer is a constant."""
        credential = decode.credential(call.request)
        if self._reply is None:
            self._reply = encode.validation(await self._sessions.validator.validate(credential))
        call.session_id = credential.value
        return self._reply


class UncountedCalls(CallFigures):
    """Counts nothing."""

    def wrap(self, _: Method, handler: Handler) -> Handler:
        """The handler itself."""
        return handler


class UncountedCommands(LinkFigures):
    """Times nothing."""

    class _Untimed(Timings):
        def observe(self, _: float) -> None:
            """Forget it."""

    def __init__(self) -> None:
        super().__init__()
        self._untimed = self.batches = self._Untimed(())  # type: ignore[misc]

    def timings(self, _: tuple[Argument, ...]) -> Timings:
        """What keeps nothing."""
        return self._untimed


def uncounted(configured: Settings) -> App:
    """Sessiond without what counts its calls and commands."""
    patch.object(front, "CallFigures", UncountedCalls).start()
    patch.object(multiplexer, "LinkFigures", UncountedCommands).start()
    return App(configured)


APPS: Final[Mapping[str, Callable[[Settings], App]]] = {
    SESSIOND: App,
    POOLED: functools.partial(App, open_link=PooledLink),
    DEFAULT_POOL: functools.partial(App, open_link=DefaultPoolLink),
    NO_OP: functools.partial(App, servicer=ConstantServicer),
    NATIVE: App,
    NATIVE_NO_OP: functools.partial(App, servicer=ConstantServicer),
    UNCOUNTED: uncounted,
    TRACED: App,
}
"""By kind."""


async def serve(app: App) -> None:
    """Serve until SIGTERM."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with app:
        await app.ready.wait()
        # As `sessiond serve` does.
        gc.collect()
        gc.freeze()
        print(app.address, flush=True)
        await told.wait()


def main() -> None:
    """Serve as the contender that is named."""
    configured = settings.load(dev=True, listen="127.0.0.1:0")
    logging.configure(configured.log_level, configured.effective_log_format)
    uvloop.run(serve(APPS[sys.argv[1]](configured)))


if __name__ == "__main__":
    main()
