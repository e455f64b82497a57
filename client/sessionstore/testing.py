"""The real service, in process, for the tests of those who use the SDK (extra `[testing]`).

Sessions are kept in fakeredis, behind its TCP server, so nothing needs to be installed or started:

    from sessionstore.testing import SessionServer

    def test_login():
        with SessionServer() as server, server.client() as sessions:
            created = sessions.create("alice")
            assert sessions.validate(session_id=created.session.id).active
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
from fakeredis import TcpFakeServer

from sessiond import devmode
from sessiond.app import App
from sessiond.assembly.lifetimes import key_lifetimes
from sessiond.settings import Settings
from sessionstore import AsyncSessionClient, SessionClient

_START_TIMEOUT_S = 30.0


class SessionServer:
    """A session service of one's own, as a context manager. Its sessions end with it.

    Args:
        settings: any setting of docs/configuration.md by its name, such as
            `session_cap=3` or `grace_time="0s"`.
    """

    def __init__(self, **settings: Any) -> None:
        self._overrides = settings
        self._directory = tempfile.TemporaryDirectory(prefix="sessionstore-")
        self._redis = TcpFakeServer(("127.0.0.1", 0))
        self._redis.daemon_threads = True
        # Its small replies would wait 40 ms each for the acknowledgement of the one before.
        handler: Any = self._redis.RequestHandlerClass
        handler.disable_nagle_algorithm = True
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.address = ""
        """Where it serves, once entered."""
        self._quiet = False
        self.token = ""
        """A service token of a caller with role admin."""

    def client(self, **options: Any) -> SessionClient:
        """A client of this server, with further options of `SessionClient`."""
        return SessionClient(self.address, token=self.token, **options)

    def async_client(self, **options: Any) -> AsyncSessionClient:
        """A client of this server for asyncio, with further options of `AsyncSessionClient`."""
        return AsyncSessionClient(self.address, token=self.token, **options)

    def __enter__(self) -> Self:
        """Start and wait until it serves."""
        if not structlog.is_configured():
            # A test prints what it wants to. Where structlog is configured, our lines follow that.
            structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
            self._quiet = True
        started: Future[None] = Future()
        self._spawn(self._redis.serve_forever)
        self._spawn(lambda: asyncio.run(self._serve(started)))
        try:
            started.result(timeout=_START_TIMEOUT_S)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Stop, and forget everything."""
        if self._loop and self._stop:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._threads[-1].join()
        self._redis.shutdown()
        self._redis.server_close()
        self._directory.cleanup()
        if self._quiet:
            structlog.reset_defaults()

    def _spawn(self, work: Any) -> None:
        thread = threading.Thread(target=work, name="sessionstore-testing", daemon=True)
        thread.start()
        self._threads.append(thread)

    async def _serve(self, started: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        host, port = self._redis.server_address[:2]
        try:
            settings = Settings(
                **{
                    "dev": True,
                    "listen": "127.0.0.1:0",
                    "data_dir": Path(self._directory.name),
                    "store_url": f"fakeredis://{host!s}:{port}",
                    "drain_time": "0s",
                    **self._overrides,
                }
            )
            async with App(settings) as app:
                waiting = [
                    asyncio.ensure_future(awaitable)
                    for awaitable in (app.ready.wait(), app.failed(), self._stop.wait())
                ]
                done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in pending:
                    task.cancel()
                for task in done:
                    task.result()
                self.address = app.address
                token_file = devmode.write_token(settings, key_lifetimes(settings))
                self.token = token_file.read_text().strip()
                started.set_result(None)
                await self._stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
