"""Reads the logs of the partitions that one node of a cluster holds, on a connection of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from redis.exceptions import MovedError

from sessiond.domain import jitter
from sessiond.domain.errors import CursorTooOldError, LogRewoundError
from sessiond.store.access import Door
from sessiond.store.cluster_view import ClusterView
from sessiond.store.engine_errors import NotHereError, translated
from sessiond.store.keyspace import slot_of_key
from sessiond.store.line import Line
from sessiond.store.link import Argument
from sessiond.store.log_entries import Place, accepted
from sessiond.store.log_tail import MOST_READ
from sessiond.store.script_set import ScriptSet
from sessiond.store.store_url import Address

_BACKOFF_S: Final = (0.05, 1.0)
_Command = tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class ClusterWays:
    """How a tail reaches the nodes of a cluster."""

    view: ClusterView
    door: Door
    scripts: ScriptSet


@dataclass(slots=True)
class Part:
    """What one node gave."""

    begun_s: float
    """When the reading began, by the server's monotonic clock."""
    starts: Mapping[int, Place]
    """By partition: from where on it was read."""
    entries: dict[int, Sequence[Any]] = field(default_factory=dict)
    """Of those partitions that it holds."""
    time_ms: int | None = None
    """The node's clock as of the beginning, if places were checked."""
    held: int = 0
    """How many events the logs hold whose places were checked."""
    is_new: bool = False
    """Whether it was the first read of a partition over this connection."""


class TailNode:
    """One reader at a time may ask it."""

    def __init__(self, address: Address, ways: ClusterWays) -> None:
        self._address: Final = address
        self._ways: Final = ways
        self._line: Line | None = None
        self._proven: set[int] = set()
        """Partitions whose places were checked over this line."""
        self._failures = 0
        self._rests_until_s = 0.0
        self._problem = ""

    async def ends(self, partitions: Sequence[int]) -> dict[int, Place]:
        """Where logs end, of those partitions that it holds; raises whatever connecting may."""
        bases, sha = self._ways.scripts.keys.bases, self._sha("log_snapshot")
        line = await self._connected()
        replies = await line.answers(*(("EVALSHA", sha, 1, bases[i], 0) for i in partitions))
        ends = {
            i: Place(reply[0].decode(), reply[1])
            for i, reply in zip(partitions, replies, strict=True)
            if self._is_here(i, reply)
        }
        self._proven |= ends.keys()
        return ends

    async def read(self, places: Mapping[int, Place], checked: Mapping[int, Place] | None) -> Part:
        """Read the logs from these places on, and check others after; it may give nothing.

        Raises:
            CursorTooOldError, LogRewoundError: events are missing.
        """
        part = Part(time.monotonic(), places)
        if part.begun_s < self._rests_until_s:
            return part
        try:
            await self._read(part, checked)
        except (CursorTooOldError, LogRewoundError):
            raise
        except Exception as error:  # noqa: BLE001  whatever it was, a fresh connection is tried
            await self._give_up(error)
            return Part(part.begun_s, places)
        self._failures, self._problem = 0, ""
        return part

    async def close(self) -> None:
        """Disconnect."""
        line, self._line = self._line, None
        self._proven.clear()
        if line:
            await line.close()

    async def _read(self, part: Part, checked: Mapping[int, Place] | None) -> None:
        line = await self._connected()
        if strangers := part.starts.keys() - self._proven:
            # Another node's log, or another state of it, may lack what was given from there on.
            proven = await self._check(line, {i: part.starts[i] for i in strangers})
            self._proven |= proven.keys()
            part.is_new = bool(proven)
        mine = [i for i in part.starts if i in self._proven]
        reads = [self._xread(i, part.starts[i]) for i in mine]
        if checked is None:
            replies = await line.answers(*reads) if reads else []
        else:
            (seconds, micros), *replies = await line.answers(("TIME",), *reads)
            part.time_ms = int(seconds) * 1000 + int(micros) // 1000
            held = await self._check(line, {i: checked[i] for i in mine})
            part.held = sum(held.values())
            replies = [r for i, r in zip(mine, replies, strict=True) if i in held]
            mine = [i for i in mine if i in held]
        for i, reply in zip(mine, replies, strict=True):
            if self._is_here(i, reply):
                part.entries[i] = reply[0][1] if reply else ()

    async def _check(self, line: Line, places: Mapping[int, Place]) -> dict[int, int]:
        """How many events the logs hold, of those partitions that are here; raises like `read`."""
        if not places:
            return {}
        sha, bases = self._sha("log_read"), self._ways.scripts.keys.bases
        verdicts = await line.answers(
            *(("EVALSHA", sha, 1, bases[i], p.id, p.count, 0) for i, p in places.items())
        )
        return {
            i: accepted(verdict)[0]
            for i, verdict in zip(places, verdicts, strict=True)
            if self._is_here(i, verdict)
        }

    async def _connected(self) -> Line:
        if self._line is None:
            door = self._ways.door
            self._line = await Line.open(door.at(self._address), door.limits)
            names = ("log_snapshot", "log_read")
            sources = (self._ways.scripts.named(name).source for name in names)
            await self._line.ask(*(("SCRIPT", "LOAD", source) for source in sources))
        return self._line

    def _is_here(self, partition: int, reply: Any) -> bool:
        """Whether the node answered for a partition that it holds; raises any other refusal."""
        if not isinstance(reply, Exception):
            return True
        if not isinstance(translated(reply), NotHereError):
            raise reply
        if isinstance(reply, MovedError):
            slot = slot_of_key(self._ways.scripts.keys.bases[partition])
            self._ways.view.moved(slot, Address(reply.host or self._address.host, reply.port))
        else:
            self._ways.view.renew()
        return False

    def _xread(self, partition: int, place: Place) -> _Command:
        log = self._ways.scripts.keys.log(partition)
        return ("XREAD", "COUNT", MOST_READ, "STREAMS", log, place.id)

    def _sha(self, script: str) -> str:
        return self._ways.scripts.named(script).sha

    async def _give_up(self, error: Exception) -> None:
        """Disconnect, and rest before the next attempt: longer each time, and never in step."""
        what = f"{type(error).__name__}: {error}"
        if what != self._problem:
            node = f"{self._address.host}:{self._address.port}"
            structlog.get_logger("sessiond.store").warning("tail_lost", node=node, problem=what)
            self._problem = what
        await self.close()
        least_s, most_s = _BACKOFF_S
        rest_s = min(least_s * 2**self._failures, most_s)
        self._failures = min(self._failures + 1, 10)
        self._rests_until_s = time.monotonic() + rest_s * jitter.between(0.5, 1.0)
        self._ways.view.renew()
