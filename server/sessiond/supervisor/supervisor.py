"""What the workers of a server have in common, from the start to the stop."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog

from sessiond import devmode
from sessiond.assembly.engine import embedded_engine, is_embedded
from sessiond.domain.errors import StartupError
from sessiond.ops import logging
from sessiond.running import systemd
from sessiond.running.waiting import first_of, until_signalled
from sessiond.running.welcome import welcome
from sessiond.settings import Settings
from sessiond.settings.base import variable
from sessiond.store.store_url import redacted
from sessiond.supervisor.fleet import Fleet
from sessiond.supervisor.ops_port import OpsPort
from sessiond.supervisor.orders import Orders
from sessiond.supervisor.port import shared_port

Load = Callable[[], Settings]
"""Reads the settings anew.

Raises:
    StartupError: a setting is wrong.
"""
_RELOAD_PATIENCE_S: Final = 60.0
"""New workers that are not ready by then never will be: the old ones go on."""
_OURS: Final = ("dev", "data_dir", "listen", "ops_listen")
_OUR_ENGINE: Final = ("store_url", "embedded_appendfsync", "embedded_maxmemory")
"""Settings of what the supervisor itself holds, for as long as it runs."""


def supervise(settings: Settings, load: Load) -> None:
    """Serve by workers until SIGTERM or SIGINT.

    SIGTERM drains one worker after the other; a second one, all that are left. SIGHUP reads the
    settings anew: workers with the new ones come up, then the old ones are drained. A worker that
    dies is started again.

    Raises:
        StartupError: the server cannot start.
    """
    asyncio.run(Supervisor(settings, load).run())


class Supervisor:
    """Holds the port and the embedded engine for workers that come and go."""

    def __init__(self, settings: Settings, load: Load) -> None:
        self._settings = settings
        self._load = load
        self._fleets: list[Fleet] = []
        """The one that serves, and at a reload the next one."""
        self._restarts_before = 0
        """Of workers of fleets that are gone."""
        self._address = ""
        self._engine_url: str | None = None
        self._ops: OpsPort | None = None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._hung_up = asyncio.Event()
        self._log = structlog.get_logger("sessiond.supervisor")

    async def run(self) -> None:
        """Serve until told to stop.

        Raises:
            StartupError: the server cannot start.
        """
        until_signalled(self._told_to_stop)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up.set)
        async with AsyncExitStack() as held:
            held.callback(self._log.info, "stopped")
            await self._unless_stopped(self._serve(held))

    def _told_to_stop(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        working = asyncio.create_task(work)
        stop = asyncio.create_task(self._stop.wait())
        await first_of(working, stop)
        stop.cancel()
        if working.done():
            working.result()
        else:
            systemd.stopping()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _serve(self, held: AsyncExitStack) -> None:
        settings = self._settings
        self._address = held.enter_context(shared_port(settings.listen))
        if settings.dev:
            devmode.prepare(settings)
        if is_embedded(settings):
            engine = embedded_engine(settings)
            await engine.start()
            held.push_async_callback(engine.stop)
            self._engine_url = engine.url
        if settings.ops_listen:
            folder = held.enter_context(TemporaryDirectory(prefix="sessiond-"))
            self._ops = OpsPort(Path(folder), self._serving, self._restarts)
            address = await self._ops.start(settings.ops_listen)
            held.push_async_callback(self._ops.stop)
            self._log.info("serving_ops", address=address)
        held.push_async_callback(self._drain)
        fleet = self._new_fleet(settings)
        await fleet.until_serving()
        self._log.info(
            "serving",
            address=self._address,
            workers=settings.workers,
            store=redacted(settings.effective_store_url),
            dev=settings.dev,
        )
        systemd.ready()
        coming = asyncio.create_task(self._welcome(fleet))
        reloading = asyncio.create_task(self._reload_when_hung_up())
        try:
            await first_of(coming, reloading)
            if coming.done():
                coming.result()
            await reloading
        finally:
            coming.cancel()
            reloading.cancel()
            await asyncio.gather(coming, reloading, return_exceptions=True)

    async def _welcome(self, fleet: Fleet) -> None:
        await fleet.until_ready()
        if self._settings.dev:
            welcome(self._settings, self._address)

    async def _reload_when_hung_up(self) -> None:
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            systemd.reloading()
            try:
                await self._reload()
            except StartupError as error:
                self._log.error("reload_refused", problem=str(error))
            systemd.ready()

    async def _reload(self) -> None:
        """Have workers with new settings take over from the old ones.

        Raises:
            StartupError: they cannot. The old ones go on.
        """
        settings = self._load()
        self._check_reload(settings)
        old = tuple(self._fleets)
        fresh = self._new_fleet(settings)
        try:
            async with asyncio.timeout(_RELOAD_PATIENCE_S):
                await fresh.until_ready()
        except (StartupError, TimeoutError) as error:
            await fresh.drain_at_once()
            self._gone(fresh)
            raise StartupError(
                str(error) or f"new workers were not ready within {_RELOAD_PATIENCE_S:g} s"
            ) from None
        self._settings = settings
        logging.configure(settings.log_level, settings.effective_log_format)
        for fleet in old:
            await self._end(fleet)
        self._log.info("reloaded", what="settings", workers=settings.workers)

    def _check_reload(self, settings: Settings) -> None:
        before = self._settings
        fixed = _OURS + (_OUR_ENGINE if is_embedded(before) or is_embedded(settings) else ())
        changed = [name for name in fixed if getattr(settings, name) != getattr(before, name)]
        if settings.workers is None:
            changed.append("workers")
        if changed:
            names = ", ".join(variable(name) for name in changed)
            raise StartupError(f"{names}: changes by a restart, not by a reload")

    def _new_fleet(self, settings: Settings) -> Fleet:
        used = {keeper.number for fleet in self._fleets for keeper in fleet.keepers}
        free = (number for number in itertools.count() if number not in used)
        numbers = itertools.islice(free, settings.workers)
        fleet = Fleet(Orders(number, self._theirs(settings, number)) for number in numbers)
        self._fleets.append(fleet)
        fleet.start()
        return fleet

    def _theirs(self, settings: Settings, number: int) -> Settings:
        """The settings of a worker: what is held here is taken from here."""
        return settings.model_copy(
            update={
                "listen": self._address,
                "store_url": self._engine_url or settings.store_url,
                "ops_listen": self._ops.address_of(number) if self._ops else None,
            }
        )

    def _serving(self) -> list[int]:
        keepers = itertools.chain.from_iterable(fleet.keepers for fleet in self._fleets)
        return [keeper.number for keeper in keepers if keeper.serving.is_set()]

    def _restarts(self) -> int:
        return self._restarts_before + sum(fleet.restarts for fleet in self._fleets)

    async def _drain(self) -> None:
        for fleet in tuple(self._fleets):
            await self._end(fleet)

    async def _end(self, fleet: Fleet) -> None:
        await fleet.drain(self._hurry)
        self._gone(fleet)

    def _gone(self, fleet: Fleet) -> None:
        self._fleets.remove(fleet)
        self._restarts_before += fleet.restarts
