"""Verifiers, a watcher, and users who log in and out, at several servers of one store."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from sessionstore import AsyncSessionClient, WhenStale
from tests.faults.backend import Backend
from tests.faults.realtime.crowd import Crowd
from tests.faults.realtime.findings import Findings
from tests.faults.realtime.follower import Follower
from tests.faults.realtime.ledger import Ledger
from tests.faults.realtime.looker import MAX_AGE_S, ROUNDING_S, Looker, open_looker

_CALL_S: Final = 1.0
_POLL_S: Final = 0.05
_STOPS_WITHIN_S: Final = 0.05
"""A process on another processor may go on for a moment."""
HEALS_WITHIN_S: Final = 15.0
"""A client waits up to 5 s before it watches again, and gRPC up to 5 s before it connects again;
then a snapshot and a checkpoint take a second or two."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Place:
    """Where servers are."""

    token: str
    servers: Sequence[str]
    """Their addresses."""
    lines: Sequence[str]
    """Those of the lines to them, in the same order."""


class Stage:
    """Everybody who is there, round after round."""

    def __init__(self, place: Place, findings: Findings) -> None:
        self.findings = findings
        self.follower = Follower(findings)
        self.lookers: list[Looker] = []
        self.ledger = Ledger()
        self._place = place
        self._stacks: list[AsyncExitStack] = []

    async def act(self, scene: Callable[[], Awaitable[_T]], seed: str) -> _T:
        """Let everybody work while something happens, and all users go home after it."""
        self.ledger = Ledger()
        for looker in self.lookers:
            looker.open(self.ledger)
        async with (
            Backend(_target(self._place.servers), self._place.token, deadline_s=_CALL_S) as backend,
            asyncio.TaskGroup() as acting,
        ):
            crowd = Crowd(backend, self.ledger, seed)
            working = acting.create_task(crowd.work())
            looking = [
                acting.create_task(self._look(seat, random.Random(f"{seed} {seat}")))
                for seat in range(len(self.lookers))
            ]
            happened = await scene()
            crowd.go_home()
            await working
            for task in looking:
                task.cancel()
        return happened

    async def all_know(self, since_s: float, within_s: float = HEALS_WITHIN_S) -> float:
        """Wait until everybody knows all; seconds since then. Too many are a violation."""
        while True:
            waiting = {
                looker.name: lack for looker in self.lookers if (lack := await looker.knows_all())
            }
            if lack := self.follower.lacks(self.ledger):
                waiting["watcher"] = lack
            took_s = time.monotonic() - since_s
            if not waiting:
                return took_s
            if took_s > within_s:
                self.findings.broken("all_is_known_soon_after_healing", str(waiting))
                return took_s
            await asyncio.sleep(_POLL_S)

    async def are_stale(self, known_s: float, lasts_s: float) -> None:
        """Hold verifiers to being stale as soon as they have to be, and for a while.

        They can know of nothing that happened after `known_s`.
        """
        begin_s = known_s + MAX_AGE_S + ROUNDING_S
        await asyncio.sleep(max(0.0, begin_s - time.monotonic()))
        while time.monotonic() < begin_s + lasts_s:
            for looker in self.lookers:
                if not (state := looker.verifying.state).stale:
                    self.findings.broken("who_hears_nothing_is_stale", f"{looker.name}: {state}")
            await asyncio.sleep(_POLL_S)

    async def come_round(self, within_s: float) -> None:
        """Wait until each verifier has been young once, if that is soon enough."""
        end_s, old = time.monotonic() + within_s, list(self.lookers)
        while old and time.monotonic() < end_s:
            await asyncio.sleep(_POLL_S)
            old = [looker for looker in old if looker.verifying.state.stale]

    async def hear_nothing(self, lasts_s: float) -> None:
        """Hold all to what they may know while the engine, or every server, is stopped."""
        stopped_s = time.monotonic() + _STOPS_WITHIN_S
        await self.are_stale(stopped_s, lasts_s)
        if self.follower.known_s > stopped_s:
            late_s = self.follower.known_s - stopped_s
            self.findings.broken("no_checkpoint_is_made_up", f"one came of {late_s:.3f} s later")

    async def renew(self, seat: int) -> None:
        """Let another verifier take a seat: it begins with a snapshot."""
        await self._stacks[seat].aclose()
        await self._sit_down(seat)

    async def seats(self) -> None:
        """Let a verifier of each kind take a seat."""
        for seat in range(len(_KINDS)):
            self._stacks.append(AsyncExitStack())
            await self._sit_down(seat)

    async def leave(self) -> None:
        """Close them all."""
        for stack in self._stacks:
            await stack.aclose()

    async def _sit_down(self, seat: int) -> None:
        # Each server is the first choice of some.
        lines = self._place.lines if seat % 2 else self._place.lines[::-1]
        looker = await self._stacks[seat].enter_async_context(
            _KINDS[seat](_target(lines), self._place.token, findings=self.findings)
        )
        looker.open(self.ledger)
        self.lookers[seat : seat + 1] = [looker]

    async def _look(self, seat: int, dice: random.Random) -> None:
        while True:
            with suppress(RuntimeError):  # it was closed to be renewed
                await self.lookers[seat].look_around(dice)
            await asyncio.sleep(_POLL_S / 2)


_KINDS: Final = tuple(
    functools.partial(open_looker, threads=threads, when_stale=when_stale)
    for when_stale in (WhenStale.REFUSE, WhenStale.ASK)
    for threads in (True, False)
)


@asynccontextmanager
async def open_stage(place: Place) -> AsyncIterator[Stage]:
    """Let everybody come, and go in the end."""
    stage = Stage(place, Findings())
    client = AsyncSessionClient(_target(place.lines), token=place.token)
    async with client, asyncio.TaskGroup() as following:
        watcher = following.create_task(stage.follower.work(client))
        try:
            await stage.seats()
            yield stage
        finally:
            watcher.cancel()
            await stage.leave()


def _target(addresses: Sequence[str]) -> str:
    return "ipv4:" + ",".join(addresses)
