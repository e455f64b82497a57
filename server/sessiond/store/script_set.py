"""The scripts of one keyspace: run by name, each on one partition. Typed calls are built on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sessiond.domain.ids import PARTITIONS
from sessiond.store import loader
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import Argument, Link
from sessiond.store.loader import Script
from sessiond.store.replies import EndPolicy
from sessiond.store.runner import ScriptRunner, those_that_answer

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
        """Run one plain command on one key."""
        return await self._runner.command(*command)

    async def read(self, *command: Argument) -> Any:
        """Run one plain command on one key that only reads."""
        return await self._runner.read(*command)

    async def holder(self, key: str) -> Link:
        """The link to the node that holds a key now."""
        return await self._runner.holder(key)

    async def nodes(self) -> tuple[Link, ...]:
        """A link to each node that holds some of the partitions, for commands that name no key."""
        return tuple(await self._runner.nodes(self.keys.bases))

    async def none_was_emptied(self) -> bool:
        """Whether every node that answers has a partition with what the servers agreed on."""
        nodes = await self._runner.nodes(map(self.keys.meta, range(PARTITIONS)))
        return all(
            await those_that_answer(node.send("EXISTS", meta) for node, meta in nodes.items())
        )

    async def now_ms(self) -> int:
        """The store's clock: milliseconds since the Unix epoch.

        Of several nodes it is the clock that is furthest behind: up to then, nothing more happens.
        """
        times = await asyncio.gather(*(node.send("TIME") for node in await self.nodes()))
        return min(int(seconds) * 1000 + int(micros) // 1000 for seconds, micros in times)

    async def load_all(self) -> None:
        """Give every node every script."""
        nodes, sources = await self.nodes(), [s.source for s in self._scripts.values()]
        await asyncio.gather(
            *(node.send("SCRIPT", "LOAD", source) for node in nodes for source in sources)
        )
