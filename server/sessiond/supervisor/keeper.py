"""Keeps one worker alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from sessiond.domain.backoff import Backoff
from sessiond.supervisor.orders import Orders, Report, Stage
from sessiond.supervisor.worker import Worker

_FIRST_BACKOFF_S: Final = 0.1
_LONGEST_BACKOFF_S: Final = 30.0
_STEADY_S: Final = 10.0
"""A worker that ran this long was well: its death begins a new backoff."""
_BEYOND_THE_DRAIN_S: Final = 5.0
"""What a worker may take to end besides its drain time."""


class Keeper:
    """Starts a worker, and another one whenever it has died, until it is to be drained."""

    def __init__(self, orders: Orders, on_failure: Callable[[str], None]) -> None:
        """Set what is kept.

        Args:
            orders: of the worker.
            on_failure: told of the sentence that a worker ends with, if it knows one.
        """
        self.orders = orders
        self.number = orders.number
        self.serving = asyncio.Event()
        """Set while the worker answers calls."""
        self.ready = asyncio.Event()
        """Set once the worker has used the store, while it lives."""
        self.was_ready = False
        """Whether any worker of it has ever been."""
        self.restarts = 0
        self._on_failure = on_failure
        self._worker: Worker | None = None
        self._draining = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("sessiond.supervisor")

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._keep())

    async def drain(self) -> None:
        """Let the worker finish what it does, and start none again. Done when it has ended."""
        self._draining.set()
        if self._task is None:
            return
        if self._worker:
            self._log.info("worker_draining", worker=self.number, pid=self._worker.pid)
            self._worker.drain()
        patience_s = self.orders.settings.drain_time.total_seconds() + _BEYOND_THE_DRAIN_S
        await asyncio.wait((self._task,), timeout=patience_s)
        if self._worker:
            self._log.error(
                "worker_killed", worker=self.number, pid=self._worker.pid, after_s=patience_s
            )
            self._worker.kill()
        await asyncio.shield(self._task)  # whoever gives up waiting does not end the keeping

    async def _keep(self) -> None:
        backoff = Backoff(_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S, _STEADY_S)
        while True:
            began = time.monotonic()
            how = await self._run()
            if self._draining.is_set():
                return
            delay = backoff.after(time.monotonic() - began)
            self._log.error("worker_died", worker=self.number, how=how, restart_s=delay)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), delay)
                return
            self.restarts += 1

    async def _run(self) -> str:
        """Run a worker to its end; how that was."""
        try:
            self._worker = worker = await Worker.start(self.orders)
        except (OSError, RuntimeError) as error:  # threads run out as the latter
            return f"could not be started: {error}"
        self._log.info("worker_started", worker=self.number, pid=worker.pid)
        if self._draining.is_set():  # when it was asked for, the worker was not there yet
            worker.drain()
        try:
            status = await worker.ended(self._take)
        finally:
            self._worker = None
            self.serving.clear()
            self.ready.clear()
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}"

    def _take(self, report: Report) -> None:
        match report.stage:
            case Stage.SERVING:
                self.serving.set()
            case Stage.READY:
                self.ready.set()
                self.was_ready = True
            case Stage.FAILED:
                self._log.error("worker_failed", worker=self.number, problem=report.problem)
                self._on_failure(report.problem)
