"""Finds out how many replicas have heard of an ending.

WAIT blocks its connection, and counts the replicas that have what this same connection wrote last.
So it has connections of its own, and is preceded there by a write: a mark, by a script that sees to
it that the ending is on this node. Replicas take writes in their order, so whoever has the mark has
the ending. Were the ending not looked for, a new primary would be vouched for after a failover that
lost it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import structlog

from sessiond.domain.errors import SessionStoreError
from sessiond.store.access import Connect
from sessiond.store.line import Line
from sessiond.store.link import Argument, LinkLimits
from sessiond.store.script_set import ScriptSet

_MOST_ROUNDS: Final = 4
"""Connections to a node: while replicas lag, later endings need not wait for earlier ones."""
_LEAST_S: Final = 0.05
"""The shortest round: replicas that follow answer within it."""
_REPLY_S: Final = 0.2
"""How long the count may be under way, once the time of a wait is up."""


class Node(NamedTuple):
    """Who holds a partition."""

    name: Hashable
    connect: Connect
    doubt: Callable[[], object] = lambda: None
    """To be told that it does not answer: another one may hold the partition."""


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class NodeFinder:
    """Tells who holds which partition."""

    find: Callable[[str], Awaitable[Node]]
    """Who holds the partition with this base now; raises StoreUnavailableError."""
    close: Callable[[], Awaitable[None]] = _nothing
    """Ends what it does beside."""


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """What is asked of replicas."""

    replicas: int
    """How many to wait for, at least 1."""
    timeout_s: float
    """The longest wait, in seconds."""


class _Waiter(NamedTuple):
    mark: tuple[Argument, ...]
    until_s: float
    confirmed: asyncio.Future[int]


@dataclass
class _Rounds:
    """The waits at one node. Each round takes all who wait by then."""

    node: Node
    waiting: list[_Waiter] = field(default_factory=list)
    idle: list[Line] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)


class ReplicaWait:
    """Waits for replicas. It belongs to one event loop."""

    def __init__(
        self, finder: NodeFinder, limits: LinkLimits, scripts: ScriptSet, policy: WaitPolicy
    ) -> None:
        self._finder = finder
        self._limits = limits
        self._scripts = scripts
        self._policy = policy
        self._nodes: dict[Hashable, _Rounds] = {}
        self._problem = ""
        self._log = structlog.get_logger("sessiond.store")

    async def confirm(self, session_ids: Sequence[str]) -> int:
        """How many replicas have the endings of these sessions of one user.

        As soon as there are enough, or else when the time is up. If it cannot be found out, 0.
        """
        until_s = asyncio.get_running_loop().time() + self._policy.timeout_s
        try:
            async with asyncio.timeout_at(until_s + _REPLY_S):
                return await self._enqueue(session_ids, until_s)
        except (TimeoutError, SessionStoreError):
            return 0

    async def close(self) -> None:
        """Wait for the rounds that run, and disconnect. Nobody waits by then."""
        for rounds in self._nodes.values():
            if rounds.running:
                await asyncio.wait(rounds.running)
            for line in rounds.idle:
                await line.close()
        await self._finder.close()

    async def _enqueue(self, session_ids: Sequence[str], until_s: float) -> int:
        base = self._scripts.keys.of_session(session_ids[0])
        node = await self._finder.find(base)
        rounds = self._nodes.setdefault(node.name, _Rounds(node))
        mark: tuple[Argument, ...] = (
            "EVALSHA",
            self._scripts.named("confirm").sha,
            1,
            base,
            *session_ids,
        )
        loop = asyncio.get_running_loop()
        waiter = _Waiter(mark, until_s, loop.create_future())
        rounds.waiting.append(waiter)
        loop.call_soon(self._begin, rounds)
        return await waiter.confirmed

    def _begin(self, rounds: _Rounds) -> None:
        """Begin a round, if somebody waits and there may be one more."""
        if not rounds.waiting or len(rounds.running) >= _MOST_ROUNDS:
            return
        waiters, rounds.waiting = rounds.waiting, []
        task = asyncio.create_task(self._run(rounds, waiters))
        rounds.running.add(task)

        def end(_: asyncio.Task[None]) -> None:
            rounds.running.discard(task)
            self._begin(rounds)

        task.add_done_callback(end)

    async def _run(self, rounds: _Rounds, waiters: Sequence[_Waiter]) -> None:
        counts = [0] * len(waiters)
        try:
            counts = await self._counts(rounds, waiters)
            self._problem = ""
        except Exception as error:  # noqa: BLE001  the ending stands, whatever this is
            rounds.node.doubt()
            self._tell(error)
        finally:
            for waiter, count in zip(waiters, counts, strict=True):
                if not waiter.confirmed.done():
                    waiter.confirmed.set_result(count)

    async def _counts(self, rounds: _Rounds, waiters: Sequence[_Waiter]) -> list[int]:
        """The count for each who waits, over the first connection that works."""
        while rounds.idle and not all(waiter.confirmed.done() for waiter in waiters):
            with suppress(Exception):  # it broke while nobody used it
                return await self._round(rounds, rounds.idle.pop(), waiters)
        return await self._round(rounds, await self._connect(rounds), waiters)

    async def _round(self, rounds: _Rounds, line: Line, waiters: Sequence[_Waiter]) -> list[int]:
        left_s = waiters[0].until_s - asyncio.get_running_loop().time()
        left_s = max(left_s, _LEAST_S)
        wait = ("WAIT", self._policy.replicas, int(left_s * 1000))
        try:
            marks = (waiter.mark for waiter in waiters)
            *marked, count = await line.ask(*marks, wait, blocks_s=left_s)
        except BaseException:
            await line.close()
            raise
        rounds.idle.append(line)
        return [int(count) if is_here else 0 for is_here in marked]

    async def _connect(self, rounds: _Rounds) -> Line:
        line = await Line.open(rounds.node.connect, self._limits)
        try:
            await line.ask(("SCRIPT", "LOAD", self._scripts.named("confirm").source))
        except BaseException:
            await line.close()
            raise
        return line

    def _tell(self, error: Exception) -> None:
        """Log why replicas could not be asked, once for as long as it is the same."""
        what = f"{type(error).__name__}: {error}"
        if what != self._problem:
            self._log.warning("replicas_unknown", problem=what)
            self._problem = what
