"""One worker process, as its supervisor sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from sessiond.running import systemd
from sessiond.supervisor.orders import LONGEST_LINE, Orders, Report

_PROGRAM: Final = ("-m", "sessiond.running.worker")


class Worker:
    """A process that serves. Somebody has to wait for its end."""

    def __init__(self, process: Process, line: socket.socket) -> None:
        self._process = process
        self._line = line

    @classmethod
    async def start(cls, orders: Orders) -> Self:
        """Start a process. It is a new program, not a fork of this one.

        Raises:
            OSError, RuntimeError: the system has no more processes, threads, memory or files.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, *_PROGRAM),
                    stdin=theirs.fileno(),
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C in a terminal is for the supervisor alone
                )
        except BaseException:
            ours.close()
            raise
        ours.setblocking(False)
        with suppress(OSError):  # it is gone already: its end will tell
            await asyncio.get_running_loop().sock_sendall(ours, orders.packed())
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def ended(self, take: Callable[[Report], None]) -> int:
        """Wait until it has ended, and hand over its reports meanwhile; the exit status."""
        reader, writer = await asyncio.open_connection(sock=self._line, limit=LONGEST_LINE)
        try:
            with suppress(OSError):
                async for line in reader:
                    take(Report.of(line))
            return await self._process.wait()
        finally:
            writer.close()

    def drain(self) -> None:
        """Ask it to finish what it does, and to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it now."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)


def _environment() -> dict[str, str]:
    """This process's; systemd hears of a server by its supervisor."""
    return {name: value for name, value in os.environ.items() if name != systemd.SOCKET_VARIABLE}
