"""What a strike is: a fault that comes at a time of ours, lasts for a while, and heals."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf
from typing import Final, Generic, TypeAlias

from tests.faults.arena import Arena
from tests.faults.plan import AnyStore_co

LASTS_S: Final = (0.1, 0.6)
"""How long most strikes last."""


@dataclass(frozen=True, slots=True)
class Failover:
    """Another engine took the place of one, with its history or without the end of it."""

    history: str
    """The replication id that goes on."""
    since: float = inf
    """All that had been answered by then was kept; for ever, if it took over in order."""
    strikes: Callable[[str], bool] = lambda _: True
    """Whether it concerns a user."""


@dataclass(frozen=True)
class Scene(Generic[AnyStore_co]):
    """What is struck, and the dice that decide how."""

    arena: Arena[AnyStore_co]
    dice: random.Random
    crowd: Callable[[int], Awaitable[None]]
    """So many more users, who work until they are cancelled."""
    aftermath: ExitStack
    """What is put right only after the round."""
    lasts_s: tuple[float, float] = LASTS_S
    failovers: list[Failover] = field(default_factory=list)
    """Those that a strike brought about."""

    async def lasts(self) -> None:
        """Let the fault be for a while."""
        await asyncio.sleep(self.dice.uniform(*self.lasts_s))


Strike: TypeAlias = Callable[[Scene[AnyStore_co]], Awaitable[int]]
"""Strikes and heals; how often something was struck, so that a fault nobody met does not count."""


async def mixture(
    scene: Scene[AnyStore_co], groups: Sequence[Sequence[Strike[AnyStore_co]]]
) -> int:
    """A strike of each of some groups at once; within a group they would undo each other.

    At least two must have struck something: one may keep another from it.
    """
    chosen = scene.dice.sample(groups, scene.dice.randint(2, len(groups)))
    async with asyncio.TaskGroup() as striking:
        strikes = [
            striking.create_task(_counted(scene.dice.choice(group)(scene))) for group in chosen
        ]
    return sorted(strike.result() for strike in strikes)[-2]


async def _counted(strike: Awaitable[int]) -> int:
    return await strike
