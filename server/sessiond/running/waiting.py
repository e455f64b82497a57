"""Waiting for whatever comes first, and for the end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any


def until_signalled(stop: Callable[[], object]) -> None:
    """Call this whenever the process is asked to end: by SIGTERM, or by Ctrl-C."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


async def first_of(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
