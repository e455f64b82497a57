"""Rounds of chaos: users at work, a strike, and whether all that they were told was true."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf
from typing import Final

from tests.faults.arena import DEADLINE_S, Arena
from tests.faults.backend import Backend
from tests.faults.behind import Behind
from tests.faults.checker import check
from tests.faults.history import Call, History, Outcome
from tests.faults.machine import Shares
from tests.faults.rules import Rules
from tests.faults.strikes import Scene, Strike
from tests.faults.tally import Tally
from tests.faults.workload import look, run

HEALTHY_WITHIN_S: Final = 5.0
USERS: Final = 24
_BEFORE_S: Final = (0.1, 0.4)
_AFTER_S: Final = 0.3
_LEAST_CALLS: Final = 100
_MOST_VOID: Final = 0.2
_OTHERS: Final = 0.1
"""The most of the machine that others may take while calls have to be answered in time."""


@dataclass
class Chaos:
    """Plays rounds in one arena."""

    arena: Arena
    behind: Behind
    tally: Tally
    patience_s: float = DEADLINE_S
    """How long clients wait."""
    calls: int = 0
    void: int = 0
    held: int = 0
    """Rounds in which servers had to answer in time: clients waited longer than they should have
    to, and the machine was ours."""
    longest_outage_s: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)

    async def play(self, strikes: Sequence[tuple[Strike, Rules]]) -> None:
        """Play the strikes in turn; a round that shows nothing is played again, if seldom."""
        played = 0
        while played < self.tally.rounds:
            strike, rules = strikes[played % len(strikes)]
            if await self._round(strike, rules, seed=played + 1000 * self.void):
                played += 1
                self.tally.played()
            else:
                self.void += 1
            assert self.void <= 2 + _MOST_VOID * self.tally.rounds, "too many rounds are void"

    def conclude(self) -> None:
        """Tell what came of it, and fail on any violation. The servers still run."""
        hear_servers(self.arena, self.tally)
        errors = " ".join(f"{kind}={number}" for kind, number in sorted(self.errors.items()))
        print(f"errors: {errors or 'none'}")  # noqa: T201  the result of a soak
        self.tally.conclude(
            self.calls, held=self.held, void=self.void, outage=f"{self.longest_outage_s:.2f}"
        )

    async def _round(self, strike: Strike, rules: Rules, seed: int) -> bool:
        """Whether calls enough were made, and something was struck."""
        dice = random.Random(f"{self.tally.name} {seed}")
        history = History(deadline_s=DEADLINE_S)
        shares = Shares(self.arena.pids)
        addresses = "ipv4:" + ",".join(self.arena.addresses)
        with ExitStack() as aftermath:
            async with Backend(addresses, self.arena.token, deadline_s=self.patience_s) as backend:
                work = functools.partial(run, backend, history, rules)

                async def crowd(users: int) -> None:
                    await work(seed=dice.randrange(2**32), users=users, until=lambda: False)

                healed = asyncio.Event()
                async with asyncio.TaskGroup() as working:
                    working.create_task(work(seed=seed, users=USERS, until=healed.is_set))
                    await asyncio.sleep(dice.uniform(*_BEFORE_S))
                    struck = await strike(Scene(self.arena, dice, crowd, aftermath))
                    await self._heals()
                    await asyncio.sleep(_AFTER_S)
                    healed.set()
                worked = len(history.calls)
                await look(backend, history)
                self._all_was_seen(history.calls[worked:])
            if shares.of_others() > _OTHERS:
                rules = dataclasses.replace(rules, late_ms=inf)
            elif self.patience_s > DEADLINE_S:
                self.held += 1
            self._judge(history, rules)
            await self.behind.walk(self.tally)
        return struck > 0 and history.rpcs >= _LEAST_CALLS

    async def _heals(self) -> None:
        outage_s = await self.arena.heals()
        self.longest_outage_s = max(self.longest_outage_s, outage_s)
        self.tally.check(
            outage_s <= HEALTHY_WITHIN_S, f"no Validate worked for {outage_s:.1f} s after healing"
        )

    def _all_was_seen(self, looks: Sequence[Call]) -> None:
        """Healthy servers answer whoever looks at what is there in the end."""
        last = {(call.op, call.user, call.session_id): call for call in looks}
        blind = [call for call in last.values() if call.outcome is Outcome.UNKNOWN]
        self.tally.check(not blind, f"unanswered after healing: {', '.join(map(str, blind[:5]))}")

    def _judge(self, history: History, rules: Rules) -> None:
        for violation in check(history, rules):
            self.tally.check(False, str(violation))
        for call in history.calls:
            if call.outcome is not Outcome.OK:
                self.errors[call.reason or call.code] += 1
        self.calls += history.rpcs


def hear_servers(arena: Arena, tally: Tally) -> None:
    """Note whether the log of a server tells of a fault. They still run."""
    for server in arena.servers:
        faults = [line for line in server.log().splitlines() if _is_fault(line)]
        tally.check(not faults, "a server's log tells of a fault: " + "\n".join(faults))


def _is_fault(line: str) -> bool:
    return "level=error" in line or line.startswith(("Traceback", "Task exception"))
