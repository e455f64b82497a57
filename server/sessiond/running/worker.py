"""`python -m sessiond.running.worker`: a process that serves for a supervisor. Not for people."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

import uvloop

from sessiond.app import App
from sessiond.domain.errors import StartupError
from sessiond.ops import logging
from sessiond.running.process import serve
from sessiond.running.waiting import until_signalled
from sessiond.supervisor.orders import Orders, Report, Stage


class _Reports:
    """Tells the supervisor, which may be gone."""

    def __init__(self, supervisor: socket.socket) -> None:
        self._supervisor = supervisor

    def serving(self) -> None:
        self._send(Report(Stage.SERVING))

    def ready(self) -> None:
        self._send(Report(Stage.READY))

    def failed(self, problem: str) -> None:
        """It ends, for this reason."""
        self._send(Report(Stage.FAILED, problem))

    def _send(self, report: Report) -> None:
        with suppress(OSError):
            self._supervisor.sendall(report.line())


def main() -> None:
    """Serve until told to stop, or until the supervisor is gone."""
    with socket.socket(fileno=0) as supervisor:
        orders = Orders.receive(supervisor)
        settings = orders.settings
        logging.configure(settings.log_level, settings.effective_log_format)
        logging.mark(worker=orders.number)
        reports = _Reports(supervisor)
        try:
            uvloop.run(_serve(App(settings), reports, supervisor))
        except StartupError as error:
            reports.failed(str(error))
            sys.exit(1)


async def _serve(app: App, reports: _Reports, supervisor: socket.socket) -> None:
    told = asyncio.Event()
    until_signalled(told.set)
    # Readable is nothing but its end: no more is sent.
    asyncio.get_running_loop().add_reader(supervisor, told.set)
    try:
        await serve(app, told, reports)
    finally:
        asyncio.get_running_loop().remove_reader(supervisor)


if __name__ == "__main__":
    main()
