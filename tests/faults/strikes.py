"""What a strike is: a fault that comes at a time of ours, lasts for a while, and heals."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, TypeAlias

from tests.faults.arena import Arena

LASTS_S: Final = (0.1, 0.6)
"""How long most strikes last."""


@dataclass(frozen=True)
class Scene:
    """What is struck, and the dice that decide how."""

    arena: Arena
    dice: random.Random
    crowd: Callable[[int], Awaitable[None]]
    """So many more users, who work until they are cancelled."""
    aftermath: ExitStack
    """What is put right only after the round."""
    lasts_s: tuple[float, float] = LASTS_S

    async def lasts(self) -> None:
        """Let the fault be for a while."""
        await asyncio.sleep(self.dice.uniform(*self.lasts_s))


Strike: TypeAlias = Callable[[Scene], Awaitable[int]]
"""Strikes and heals; how often something was struck, so that a fault nobody met does not count."""


async def mixture(scene: Scene, groups: Sequence[Sequence[Strike]]) -> int:
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
