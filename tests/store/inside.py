"""The engine behind the store, past its scripts: what tests look at, and how they let time pass."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from sessiond.domain import ids
from sessiond.store import loader
from sessiond.store.connect import connections, open_link
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits
from sessiond.store.multiplexer import Multiplexer
from sessiond.store.replies import EndPolicy
from sessiond.store.runner import ScriptRunner
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.engines import Reachable
from tests.store.kit import ENDS

# The fields of hashes and the sorted sets that hold a time, and in which unit.
_US: Final = 1000
_FIELDS: Final = {"c": _US, "x": 1, "X": 1, "m": 1, "r": 1, "l": 1, "E": 1}
# A slot is when a job was due: that stays what it was.
_JOB_FIELDS: Final = {"lease": 1, "begin": 1, "last_begin": 1, "success": 1}
_SCORES: Final = {"u": _US, "recent": _US, "h": 1, "users": 1, "dead": 1}


PATIENT: Final = LinkLimits(read_s=10.0)
"""For machines that have more to do than this test."""


@dataclass(frozen=True)
class Inside:
    """Raw access to a store below one prefix."""

    runner: ScriptRunner
    keys: Keyspace
    prefix: str
    shebang: bool

    async def ask(self, *command: str | int | bytes) -> Any:
        """One plain command on keys of one partition; its raw reply."""
        return await self.runner.command(*command)

    async def everywhere(self, *command: str | int | bytes) -> list[Any]:
        """One plain command that names no key, on every node; the raw replies."""
        nodes = await self.runner.nodes(self.keys.bases)
        return await asyncio.gather(*(node.send(*command) for node in nodes))

    async def run(self, script: str, base: str, *arguments: str | int) -> Any:
        """One script, and its raw reply."""
        loaded = loader.load(script, shebang=self.shebang)
        return await self.runner.run(loaded, base, arguments, idempotent=True)

    def key(self, session_id: str) -> str:
        """The session's hash."""
        return f"{self.keys.of_session(session_id)}s:{session_id}"

    async def now_ms(self) -> int:
        """The engine's clock."""
        seconds, micros = (await self.everywhere("TIME"))[0]
        return int(seconds) * 1000 + int(micros) // 1000

    async def fields(self, session_id: str) -> dict[str, str]:
        """The session's hash."""
        return await self.hash_of(self.key(session_id))

    async def expires_ms(self, session_id: str) -> int:
        """When the engine forgets the session's hash; -1 never, -2 it is gone."""
        return int(await self.ask("PEXPIRETIME", self.key(session_id)))

    async def counts(self, user: str) -> dict[str, int]:
        """The counters of the user's partition."""
        found = await self.hash_of(self.keys.of_user(user) + "n")
        return {name: int(value) for name, value in found.items()}

    async def scores(self, user: str, family: str) -> dict[str, int]:
        """A sorted set of the user's partition, in order."""
        key = self.keys.of_user(user) + family
        return await self.scores_of(key)

    async def scores_of(self, key: str) -> dict[str, int]:
        """A sorted set, in order."""
        flat = await self.ask("ZRANGE", key, 0, -1, "WITHSCORES")
        return {flat[i].decode(): int(float(flat[i + 1])) for i in range(0, len(flat), 2)}

    async def log(self, user: str) -> list[dict[str, str]]:
        """The events of the user's partition, oldest first."""
        return await self.stream_of(self.keys.of_user(user) + "log")

    async def stream_of(self, key: str) -> list[dict[str, str]]:
        """A stream without its ids, oldest first."""
        return [_paired(fields) for _, fields in await self.ask("XRANGE", key, "-", "+")]

    async def hash_of(self, key: str) -> dict[str, str]:
        """A hash."""
        return _paired(await self.ask("HGETALL", key))

    async def all_keys(self) -> list[str]:
        """Every key below the prefix but the registration, and what a server's check left there."""
        found: set[str] = set()
        match = ("MATCH", f"{self.prefix}:*", "COUNT", 1000)
        for node in await self.runner.nodes(self.keys.bases):
            cursor = b""
            while cursor != b"0":
                cursor, keys = await node.send("SCAN", cursor or 0, *match)
                found.update(key.decode() for key in keys)
        ours = (":meta", ":profiles", ":probe", ":mark")
        return sorted(key for key in found if not key.endswith(ours))

    async def delete(self, *keys: str) -> None:
        """Delete keys of any partitions."""
        by_base: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            by_base[base_of(key)].append(key)
        await asyncio.gather(*(self.ask("UNLINK", *those) for those in by_base.values()))

    async def wipe(self) -> None:
        """Leave nothing below the prefix but the registration."""
        await self.delete(*await self.all_keys())

    async def snapshot(self) -> dict[str, Any]:
        """Everything stored, to tell whether a call changed anything."""
        reads: dict[bytes, tuple[str, ...]] = {
            b"hash": ("HGETALL",),
            b"zset": ("ZRANGE", "0", "-1", "WITHSCORES"),
            b"string": ("GET",),
            b"stream": ("XRANGE", "-", "+"),
        }

        async def read(key: str) -> tuple[Any, int]:
            name, *rest = reads[await self.ask("TYPE", key)]
            return await self.ask(name, key, *rest), await self.ask("PEXPIRETIME", key)

        keys = await self.all_keys()
        return dict(zip(keys, await asyncio.gather(*map(read, keys)), strict=True))

    async def let_pass(self, ms: int) -> None:
        """Make all that is stored older by this much: what time passing looks like from inside.

        What would have run out is forgotten by the engine. Events keep their ids.
        """
        await asyncio.gather(*(self._age(key, ms) for key in await self.all_keys()))

    async def _age(self, key: str, ms: int) -> None:
        family = family_of(key)
        if family == "s":
            await self._age_hash(key, ms, _FIELDS)
        elif family == "job":
            await self._age_hash(key, ms, _JOB_FIELDS)
        elif unit := _SCORES.get(family):
            scores = await self.scores_of(key)
            aged = [word for member, at in scores.items() for word in (at - ms * unit, member)]
            await self.ask("ZADD", key, *aged)
        expires = await self.ask("PEXPIRETIME", key)
        if expires > 0:
            await self.ask("PEXPIREAT", key, expires - ms)

    async def _age_hash(self, key: str, ms: int, units: dict[str, int]) -> None:
        names = list(units)
        aged: list[str | int] = []
        for name, value in zip(names, await self.ask("HMGET", key, *names), strict=True):
            if value is not None:
                aged += (name, int(value) - ms * units[name])
        await self.ask("HSET", key, *aged)


def _paired(flat: list[bytes]) -> dict[str, str]:
    words = [word.decode() for word in flat]
    return dict(zip(words[::2], words[1::2], strict=True))


def family_of(key: str) -> str:
    """The part of a key after its hash tag: s, u, h, i, users, n, recent, dead, log, job."""
    return key.partition("}:")[2].partition(":")[0]


def base_of(key: str) -> str:
    """The base of the partition that a key is in."""
    return key.partition("}:")[0] + "}:"


def partition_of(user: str) -> int:
    """The partition of a user."""
    return ids.partition_of_user(user)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until it is so; pytest's timeout ends a wait in vain."""
    while not await condition():
        pass


def has_shebang(engine: Reachable) -> bool:
    """Whether the engine knows the `#!lua` line."""
    return engine.name != "fakeredis"


def scripts_of(inside: Inside, ends: EndPolicy = ENDS) -> ScriptSet:
    """The scripts over a test's own connection."""
    return ScriptSet(inside.runner, inside.keys, ends, shebang=inside.shebang)


def open_store(
    engine: Reachable,
    prefix: str,
    ends: EndPolicy = ENDS,
    *,
    url: str = "",
    limits: LinkLimits = PATIENT,
) -> tuple[Store, Inside]:
    """A store of its own connections and what is behind it; `url` leads to the engine."""
    runner, keys = ScriptRunner(open_link(url or engine.url, limits)), Keyspace(prefix)
    store = Store(ScriptSet(runner, keys, ends, shebang=has_shebang(engine)))
    return store, Inside(runner, keys, prefix, has_shebang(engine))


def node_link(url: str, limits: LinkLimits) -> Multiplexer:
    """A link to one node."""
    return Multiplexer(connections(url, limits), limits)
