"""Servers over a group that sentinels watch, and failovers while users are at work."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.arena import DEADLINE_S, PREFIX, READ_TIMEOUT_S, Arena
from tests.faults.chaos import Chaos
from tests.faults.evidence import Life, Story, Why
from tests.faults.history import History
from tests.faults.proxy import GrpcWatch, Proxy, RespWatch
from tests.faults.rules import Rules
from tests.faults.sessiond import Sessiond
from tests.faults.strikes import Scene
from tests.topologies.sentinel_group import Group, start_group

_SERVERS: Final = 2
_SEEN: Final = "store_failover"
_SAID_AGAIN: Final = "endings_reasserted"
_SAY_AGAIN_S: Final = 5.0
_ENDED: Final = (Why.REVOKED, Why.REVOKED_WITH_ALL, Why.REUSED, Why.MADE_ROOM)


@dataclass(frozen=True)
class GroupArena(Arena):
    """Its engine is the first primary, and its engine line leads nowhere."""

    group: Group
    seen_before: list[int] = field(default_factory=list)
    """How many failovers each server had seen before the latest strike."""

    def pids(self) -> list[int]:
        """The processes that run."""
        engines = (node.engine.pid for node in self.group.nodes)
        sentinels = (sentinel.process.pid for sentinel in self.group.sentinels)
        servers = (server.pid for server in self.servers)
        return [pid for pid in (*engines, *sentinels, *servers) if pid]

    def have_said_again(self) -> bool:
        """Whether each server has seen a failover since, and is done with all of them."""
        logs = [server.log() for server in self.servers]
        return all(
            before < log.count(_SEEN) == log.count(_SAID_AGAIN)
            for log, before in zip(logs, self.seen_before, strict=True)
        )

    def failovers(self) -> list[int]:
        """How many each server has seen."""
        return [server.log().count(_SEEN) for server in self.servers]


@asynccontextmanager
async def open_group_arena(**settings: str) -> AsyncIterator[GroupArena]:
    """Start all of it, which ends afterwards. Every server has these settings."""
    async with AsyncExitStack() as stack:
        hand = stack.enter_context(ThreadPoolExecutor(1, "arena"))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ss-")))
        loop, running = asyncio.get_running_loop(), start_group()
        group = await loop.run_in_executor(hand, running.__enter__)
        stack.push_async_callback(loop.run_in_executor, hand, running.__exit__, None, None, None)
        first = group.primary.engine
        unused = Proxy.between_unix(place / "p", first.socket_path, RespWatch)
        line = await stack.enter_async_context(unused)
        arena = GroupArena(first, line, [], [], None, hand, group)
        for number in range(_SERVERS):
            server = _server(place / str(number), place, group.url, settings)
            arena.servers.append(server)
            stack.push_async_callback(arena.do, server.stop)
            await arena.do(server.start)
            await server.serving()  # the first makes the keys of all
            before = Proxy.before_tcp(server.address, GrpcWatch)
            arena.client_lines.append(await stack.enter_async_context(before))
        yield arena


def _server(directory: Path, shared: Path, url: str, settings: dict[str, str]) -> Sessiond:
    directory.mkdir()
    ours = {
        "data_dir": str(shared),
        "store_url": url,
        "key_prefix": PREFIX,
        "store_read_timeout": f"{READ_TIMEOUT_S}s",
        "max_call_time": f"{DEADLINE_S}s",
    }
    return Sessiond(directory, ours | settings)


async def primary_killed(scene: Scene) -> int:
    """The primary is killed (SIGKILL), and is a replica when it is back."""
    return await _replaced(scene, Group.kill_primary)


async def primary_hangs(scene: Scene) -> int:
    """The primary is stopped (SIGSTOP), and goes on once another has taken over."""
    return await _replaced(scene, lambda group: group.hang_primary()[0].go_on())


async def primary_hands_over(scene: Scene) -> int:
    """The sentinels are told to have another primary."""
    return await _replaced(scene, Group.hand_over)


async def primary_killed_behind(scene: Scene) -> int:
    """The primary is killed after its replicas have been cut off from it for a while."""
    await scene.arena.do(_arena(scene).group.cut_replicas)
    await scene.lasts()
    return await _replaced(scene, Group.kill_primary)


async def _replaced(scene: Scene, replace: Callable[[Group], object]) -> int:
    arena = _arena(scene)
    arena.seen_before[:] = arena.failovers()
    await arena.do(replace, arena.group)
    scene.aftermath.callback(arena.group.mend)
    return 1


def _arena(scene: Scene) -> GroupArena:
    assert isinstance(scene.arena, GroupArena)
    return scene.arena


@dataclass
class FailoverChaos(Chaos):
    """Chaos in which endings may be undone until every server has said them again, and no later."""

    undone: int = 0
    """Calls that found a session live which had been ended, while that may be."""
    _settled_s: float = 0.0
    _epoch: int = 0

    async def _heals(self) -> None:
        await super()._heals()
        arena = self.arena
        assert isinstance(arena, GroupArena)
        self._epoch = await arena.do(arena.group.latest_epoch)
        deadline = time.monotonic() + _SAY_AGAIN_S
        while not arena.have_said_again():
            if time.monotonic() > deadline:
                self.tally.check(False, "a server did not say its endings again")
                break
            await asyncio.sleep(0.01)
        self._settled_s = time.monotonic()

    def _judge(self, history: History, rules: Rules) -> None:
        super()._judge(history, rules)
        arena = self.arena
        assert isinstance(arena, GroupArena)
        if arena.group.latest_epoch() != self._epoch:
            self._settled_s = float("inf")  # a machine that stalled had one more failover
        for life in Story(history, rules).lives.values():
            self._judge_endings(life)

    def _judge_endings(self, life: Life) -> None:
        ended = min((e.at for e in life.endings if e.why in _ENDED), default=float("inf"))
        for call in life.lived:
            if call.began > max(ended, self._settled_s):
                self.tally.check(False, f"{call} found it live, though all endings were said again")
            elif call.began > ended:
                self.undone += 1
