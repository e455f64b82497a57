"""One real engine behind a proxy."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sessiond.store.connect import open_link
from sessiond.store.link import LinkLimits
from tests.engines import RealEngine, RealName, require, require_engine, start_real_engine
from tests.faults.hand import Hand
from tests.faults.proxy import Proxy, RespWatch

FAKETIME: Final = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""Debian's libfaketime. It works under Valkey, and not under an engine that is built with a shared
jemalloc."""


@dataclass(frozen=True)
class NodeStore:
    """The engine, and the line between it and every server."""

    engine: RealEngine
    line: Proxy
    place: Path
    """The proxy's socket."""
    clock: Path | None
    """What the engine's clock is off by, in libfaketime's notation; None if it cannot be set."""

    @property
    def url(self) -> str:
        return self.engine.url

    @property
    def url_of_servers(self) -> str:
        return f"unix://{self.place}"

    def pids(self) -> list[int]:
        return [self.engine.pid] if self.engine.pid else []

    def histories(self) -> frozenset[str]:
        """None that could change without a strike."""
        return frozenset()

    def mend(self) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def ask(self, *command: str | int) -> Any:
        """One command on a connection of the test's own, past the proxy; its raw reply."""
        link = open_link(self.url, LinkLimits())
        try:
            return await link.send(*command)
        finally:
            await link.close()

    async def errors_of(self, kind: str) -> int:
        """How many replies of an error kind, such as OOM, the engine has given since its start."""
        told = await self.ask("INFO", "errorstats")
        found = re.search(rb"errorstat_%b:count=(\d+)" % kind.encode(), told)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class OneNode:
    """A plan."""

    engine: RealName = "valkey"
    appendfsync: str = "everysec"
    servers: int = 2
    clock: bool = False
    """Whether the engine's clock can be set."""

    def require(self) -> None:
        require_engine(self.engine)
        if self.clock and FAKETIME is None:
            require("libfaketime is not installed (Debian: faketime)")

    @asynccontextmanager
    async def open(self, place: Path, hand: Hand) -> AsyncIterator[NodeStore]:
        environment, clock = _settable_clock(place) if self.clock else ({}, None)
        starting = start_real_engine(
            self.engine,
            config={"appendfsync": self.appendfsync},
            appendonly=True,
            environment=environment,
        )
        async with (
            hand.held(starting) as engine,
            Proxy.between_unix(place / "p", engine.socket_path, RespWatch) as line,
        ):
            store = NodeStore(engine, line, place / "p", clock)
            try:
                yield store
            finally:
                store.mend()


def _settable_clock(place: Path) -> tuple[dict[str, str], Path]:
    clock = place / "clock"
    clock.write_text("+0")
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # Its timeouts and its event loop go by the monotonic clock, which never steps.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }, clock
