"""A process that serves, from its start until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
from typing import Any, Protocol

import structlog
import uvloop

from sessiond.app import App
from sessiond.running import systemd
from sessiond.running.waiting import first_of, until_signalled
from sessiond.running.welcome import welcome
from sessiond.settings import Settings, variable


class Reports(Protocol):
    """Who wants to know how far a process has come."""

    def serving(self) -> None:
        """Calls are answered."""

    def ready(self) -> None:
        """The store can be used, for the first time."""


class _Alone:
    """A process of its own: a terminal or systemd looks at it."""

    def __init__(self, app: App) -> None:
        self._app = app

    def serving(self) -> None:
        systemd.ready()

    def ready(self) -> None:
        if self._app.settings.dev:
            welcome(self._app.settings, self._app.address)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        StartupError: the server cannot start, or go on.
    """
    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    told = asyncio.Event()

    def stop() -> None:
        systemd.stopping()
        told.set()

    until_signalled(stop)
    if not settings.dev:  # there it is the end of the terminal
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _refuse_reload)
    app = App(settings)
    await serve(app, told, _Alone(app))


def _refuse_reload() -> None:
    """Go on: by default SIGHUP would end the server, which systemd takes for an orderly end."""
    problem = f"a process alone has no workers that could take over: set {variable('workers')}"
    structlog.get_logger("sessiond").error("reload_refused", what="settings", problem=problem)


async def serve(app: App, told: asyncio.Event, reports: Reports) -> None:
    """Serve until told to stop.

    Raises:
        StartupError: the server cannot start, or go on.
    """
    stop = asyncio.create_task(told.wait())
    start = asyncio.create_task(app.start())
    try:
        # An engine may take a while to load its data: a stop does not wait for it.
        await first_of(start, stop)
        if not start.done():
            start.cancel()
            await asyncio.wait((start,))
            return
        start.result()
        reports.serving()
        await _serve_until_stopped(app, stop, reports)
    finally:
        await app.stop()


async def _serve_until_stopped(app: App, stop: asyncio.Task[Any], reports: Reports) -> None:
    failure = asyncio.create_task(app.failed())
    ready = asyncio.create_task(app.ready.wait())
    await first_of(failure, stop, ready)
    gc.collect()
    gc.freeze()  # what is there by now stays: no collection need look at it again
    if ready.done():
        reports.ready()
    await first_of(failure, stop)
    ready.cancel()
    failure.cancel()
    if failure.done():
        failure.result()
