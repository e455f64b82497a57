"""`sessiond serve`: run the server until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop

from sessiond import devmode
from sessiond.app import App, key_lifetimes
from sessiond.commands.setting_flags import loaded
from sessiond.ops import logging
from sessiond.settings import Settings
from sessionstore._version import __version__


def run(arguments: argparse.Namespace) -> None:
    """Serve.

    Raises:
        StartupError: the server cannot start, or go on.
    """
    configured = loaded(arguments).settings
    logging.configure(configured.log_level, configured.effective_log_format)
    uvloop.run(_serve_until_told(configured))


async def _serve_until_told(configured: Settings) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    stop = asyncio.create_task(told.wait())
    app = App(configured)
    start = asyncio.create_task(app.start())
    try:
        # An engine may take a while to load its data: a stop does not wait for it.
        await _first_of(start, stop)
        if not start.done():
            start.cancel()
            await asyncio.wait((start,))
            return
        start.result()
        await _serve_until_stopped(app, stop)
    finally:
        await app.stop()


async def _serve_until_stopped(app: App, stop: asyncio.Task[bool]) -> None:
    failure = asyncio.create_task(app.failed())
    ready = asyncio.create_task(app.ready.wait())
    await _first_of(failure, stop, ready)
    gc.collect()
    gc.freeze()  # what is there by now stays: no collection need look at it again
    if app.settings.dev and ready.done():
        _welcome(app.settings, app.address)
    await _first_of(failure, stop)
    ready.cancel()
    failure.cancel()
    if failure.done():
        failure.result()


async def _first_of(*tasks: asyncio.Task[Any]) -> None:
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _welcome(configured: Settings, address: str) -> None:
    path = devmode.write_token(configured, key_lifetimes(configured))
    example = Path("examples/quickstart.py")
    attempts = [f"{sys.executable} {example}" if example.exists() else "the snippet of the README"]
    sessionctl = Path(sys.executable).with_name("sessionctl")
    if sessionctl.exists():
        attempts.append(f"{sessionctl} demo")
    print(
        f"\nsessiond {__version__} serves on {address} (development mode, loopback only)\n"
        f"caller's token, also in {path}:\n\n"
        f"  {path.read_text().strip()}\n\n"
        f"try, in another terminal:\n\n" + "".join(f"  {attempt}\n" for attempt in attempts),
        flush=True,
    )
