"""The scripts of one keyspace: run by name, each on one partition. Typed calls are built on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sessiond.store import loader
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import Argument
from sessiond.store.loader import Script
from sessiond.store.replies import EndPolicy
from sessiond.store.runner import ScriptRunner

A_RULE: Final = ""
"""Who ended a session when no caller asked for it: the cap, a reused token, the expiry."""


class ScriptSet:
    """Every script, with what all of them must know. Calls raise like `ScriptRunner.run`."""

    def __init__(
        self, runner: ScriptRunner, keyspace: Keyspace, ends: EndPolicy, *, shebang: bool = True
    ) -> None:
        """Read the scripts.

        Args:
            runner: leads to the engine.
            keyspace: where the keys are.
            ends: what scripts that end sessions must know.
            shebang: whether the engine knows the `#!lua` line.
        """
        self.keys: Final = keyspace
        self.ends: Final = ends
        self._runner = runner
        self._scripts = loader.load_all(shebang=shebang)
        self._names = {script.sha: script.name for script in self._scripts.values()}
        self._ends: tuple[Argument, ...] = (
            ends.retention_ms,
            ends.access_ms,
            ends.leeway_ms,
            ends.log_ms,
            ends.log_most,
        )

    def name_of(self, command: str) -> str:
        """What operators call a command: itself, or the script that has this SHA-1."""
        return self._names.get(command, command)

    def named(self, name: str) -> Script:
        """A script, for who has a connection of its own."""
        return self._scripts[name]

    def ending(self, by: str = A_RULE) -> tuple[Argument, ...]:
        """The first six arguments of a script that includes lib/ending.lua; `by` is the caller."""
        return (*self._ends, by)

    async def run(
        self, name: str, base: str, arguments: Sequence[Argument] = (), *, idempotent: bool
    ) -> Any:
        """Run a script on the partition with this base."""
        return await self._runner.run(self._scripts[name], base, arguments, idempotent=idempotent)

    async def run_many(
        self, name: str, calls: Iterable[tuple[str, Sequence[Argument]]]
    ) -> list[Any]:
        """Run an idempotent script with each base and arguments, all sent at once; in order."""
        return await self._runner.run_many(self._scripts[name], tuple(calls))

    async def run_everywhere(self, name: str, arguments: Sequence[Argument] = ()) -> list[Any]:
        """Run an idempotent script on every partition, all sent at once; by partition."""
        return await self.run_many(name, [(base, arguments) for base in self.keys.bases])

    async def command(self, *command: Argument) -> Any:
        """Run one plain command."""
        return await self._runner.command(*command)

    async def read(self, *command: Argument) -> Any:
        """Run one plain command that only reads."""
        return await self._runner.read(*command)

    async def now_ms(self) -> int:
        """The engine's clock: milliseconds since the Unix epoch."""
        seconds, microseconds = await self.command("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def load_all(self) -> None:
        """Give the engine every script."""
        sources = (script.source for script in self._scripts.values())
        await asyncio.gather(*(self.command("SCRIPT", "LOAD", source) for source in sources))
