"""Follows the logs of all partitions, on a connection of its own.

What happens is read at once, by a read that blocks or by polling. Once a second everything is read
again from the places reached, in one go with the engine's clock before it and a check of the places
after it: only that read tells up to when nothing is missing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from redis.asyncio.connection import AbstractConnection

from sessiond.domain import jitter
from sessiond.domain.errors import CursorTooOldError, LogRewoundError
from sessiond.store.engine_errors import lost
from sessiond.store.line import Line
from sessiond.store.link import Argument, LinkLimits
from sessiond.store.log_entries import Place, Stretch, accepted, stretch
from sessiond.store.script_set import ScriptSet

CHECKPOINT_S: Final = 1.0
POLL_S: Final = 0.05
MOST_READ: Final = 500
"""Events that one read takes from a partition: fewer than the shortest log holds."""
_BACKOFF_S: Final = (0.05, 1.0)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that happened up to a time has been read."""

    time_ms: int
    begun_s: float
    """When the reading began that this rests upon, by the server's monotonic clock."""


@dataclass(frozen=True, slots=True)
class TailRead:
    """What one read gave."""

    stretches: tuple[Stretch, ...] = ()
    checkpoint: Checkpoint | None = None
    held: int | None = None
    """How many events all logs hold, if that was asked."""
    reconnected: bool = False
    """Whether it began over another connection: what others read meanwhile may have been lost."""


@dataclass(frozen=True, slots=True)
class TailWays:
    """How a tail reaches the engine, and what it may ask of it."""

    connect: Callable[[], AbstractConnection]
    limits: LinkLimits
    scripts: ScriptSet
    frugal: bool = False
    """For an engine that does not block, and takes long for a script: it is polled, and places are
    checked over fresh connections only."""


@dataclass
class LogTail:
    """Reads on from where the logs end when it begins. One task at a time may read."""

    ways: TailWays
    places: dict[int, Place] = field(default_factory=dict)
    """By partition: up to where events were given."""
    _line: Line | None = None
    _proven: dict[int, Place] = field(default_factory=dict)
    """Where the latest check found nothing missing."""
    _due_s: float = 0.0
    _failures: int = 0
    _problem: str = ""

    async def begin(self) -> None:
        """Connect, and find out where the logs end.

        Raises:
            StoreUnavailableError: the engine is out of reach, or does not answer.
        """
        try:
            line = await self._connect()
            sha, bases = self.ways.scripts.named("log_snapshot").sha, self.ways.scripts.keys.bases
            ends = await line.ask(*(("EVALSHA", sha, 1, base, 0) for base in bases))
        except Exception as error:
            await self.close()
            raise lost(error) from error
        self.places = {i: Place(last.decode(), added) for i, (last, added, _) in enumerate(ends)}
        self._proven = dict(self.places)

    async def read(self) -> TailRead:
        """What happened next; nothing may have, but a read ends when a checkpoint is due.

        While the engine is out of reach it is tried again, with growing rests.

        Raises:
            CursorTooOldError, LogRewoundError: the places are no longer in the logs.
        """
        while True:
            try:
                return await self._read()
            except (CursorTooOldError, LogRewoundError):
                raise
            except asyncio.CancelledError:
                # The reply that was waited for would be taken for the next one.
                await self.close()
                raise
            except Exception as error:  # noqa: BLE001  whatever it was, a fresh connection is tried
                await self._give_up(error)

    async def close(self) -> None:
        """Disconnect."""
        line, self._line = self._line, None
        if line:
            await line.close()

    async def _read(self) -> TailRead:
        if self._line is None:
            return await self._connect_again()
        while time.monotonic() < self._due_s:
            reply = await self._wait(self._line)
            if reply and self._is_in_doubt(reply):
                break
            if reply:
                return TailRead(self._advance(reply))
        return await self._take_stock(self._line)

    async def _connect(self) -> Line:
        line = self._line = await Line.open(self.ways.connect, self.ways.limits)
        scripts = (self.ways.scripts.named(name) for name in ("log_snapshot", "log_read"))
        await line.ask(*(("SCRIPT", "LOAD", script.source) for script in scripts))
        return line

    async def _connect_again(self) -> TailRead:
        """Connect, and hold the places against the logs as this connection shows them."""
        line = await self._connect()
        held = _held(await line.ask(*self._checks(self.places)))
        self._proven = dict(self.places)
        self._due_s = 0.0
        return TailRead(held=held, reconnected=True)

    async def _wait(self, line: Line) -> Any:
        """What happens before the next checkpoint is due, if anything does."""
        if self.ways.frugal:
            await asyncio.sleep(POLL_S)
            (reply,) = await line.ask(self._xread())
        else:
            left_s = max(self._due_s - time.monotonic(), 0.001)
            block = ("BLOCK", int(left_s * 1000) or 1)
            (reply,) = await line.ask(self._xread(*block), blocks_s=left_s)
        return reply

    def _is_in_doubt(self, reply: Any) -> bool:
        """Whether events may be missing from it.

        Where a log gave as many as were asked for, or after a stall, it may have been trimmed.
        """
        return _is_full(reply) or time.monotonic() > self._due_s

    async def _take_stock(self, line: Line) -> TailRead:
        """Read everything there is, prove that nothing is missing, and say up to when."""
        begun_s = time.monotonic()
        checks = () if self.ways.frugal else self._checks(self._proven)
        (seconds, micros), reply, *verdicts = await line.ask(("TIME",), self._xread(), *checks)
        held = _held(verdicts) if verdicts else None
        stretches = self._advance(reply or ())
        self._proven = dict(self.places)
        self._failures, self._problem = 0, ""
        if reply and _is_full(reply):
            return TailRead(stretches, held=held)
        self._due_s = begun_s + CHECKPOINT_S
        time_ms = int(seconds) * 1000 + int(micros) // 1000
        return TailRead(stretches, Checkpoint(time_ms, begun_s), held)

    def _xread(self, *block: Argument) -> tuple[Argument, ...]:
        keys = (self.ways.scripts.keys.log(i) for i in self.places)
        ids = (place.id for place in self.places.values())
        return ("XREAD", "COUNT", MOST_READ, *block, "STREAMS", *keys, *ids)

    def _checks(self, places: Mapping[int, Place]) -> list[tuple[Argument, ...]]:
        sha, bases = self.ways.scripts.named("log_read").sha, self.ways.scripts.keys.bases
        return [
            ("EVALSHA", sha, 1, bases[i], place.id, place.count, 0) for i, place in places.items()
        ]

    def _advance(self, reply: Any) -> tuple[Stretch, ...]:
        found = []
        for key, entries in reply:
            located = self.ways.scripts.keys.locate(key)
            if located is None:
                raise ValueError("the engine answered with another key")
            found.append(stretch(located.partition, entries, self.places[located.partition]))
        self.places |= {each.partition: each.place for each in found}
        return tuple(found)

    async def _give_up(self, error: Exception) -> None:
        """Disconnect, and rest before the next attempt: longer each time, and never in step."""
        what = f"{type(error).__name__}: {error}"
        if what != self._problem:
            structlog.get_logger("sessiond.store").warning("tail_lost", problem=what)
            self._problem = what
        await self.close()
        least_s, most_s = _BACKOFF_S
        rest_s = min(least_s * 2**self._failures, most_s)
        self._failures = min(self._failures + 1, 10)
        await asyncio.sleep(rest_s * jitter.between(0.5, 1.0))


def _is_full(reply: Any) -> bool:
    return any(len(entries) >= MOST_READ for _, entries in reply)


def _held(verdicts: list[Any]) -> int:
    """How many events the logs hold; raises if a place is not good."""
    return sum(accepted(verdict)[0] for verdict in verdicts)
