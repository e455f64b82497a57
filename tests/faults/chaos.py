"""Rounds of chaos: users at work, a strike, and whether all that they were told was true."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from math import inf
from typing import Final, Generic

from tests.faults.arena import DEADLINE_S, Arena
from tests.faults.backend import Backend
from tests.faults.behind import Behind
from tests.faults.checker import check
from tests.faults.evidence import Story
from tests.faults.history import Call, History, Loss, Outcome, fails
from tests.faults.invariants_of_sessions import undone
from tests.faults.machine import Shares
from tests.faults.plan import AnyStore_co
from tests.faults.reassertion import Saying
from tests.faults.rules import Rules
from tests.faults.strikes import Scene, Strike
from tests.faults.tally import Tally, listed
from tests.faults.workload import look, run

HEALTHY_WITHIN_S: Final = 5.0
USERS: Final = 24
_BEFORE_S: Final = (0.1, 0.4)
_AFTER_S: Final = 0.3
_AFTER_A_FAILOVER_S: Final = 1.0
_LEAST_CALLS: Final = 100
_MOST_VOID: Final = 0.2
_OTHERS: Final = 0.1
"""The most of the machine that others may take while calls have to be answered in time."""
_POLL_S: Final = 0.02
_SHOWN_LINES: Final = 60
_HALF_RENEWED: Final = "event=reload_refused what=certificates"
"""A server has looked between a new key and the certificate of it, and goes on with the old."""


@dataclass
class Chaos(Generic[AnyStore_co]):
    """Plays rounds in one arena."""

    arena: Arena[AnyStore_co]
    behind: Behind
    tally: Tally
    patience_s: float = DEADLINE_S
    """How long clients wait."""
    deadline_s: float = DEADLINE_S
    """How long a call may take."""
    heals_within_s: float = HEALTHY_WITHIN_S
    clients: Callable[[], Backend] | None = None
    """Who calls, if not backends that retry nothing."""
    beside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    """Who else works in each round; left when everything is healthy again."""
    calls: int = 0
    void: int = 0
    held: int = 0
    """Rounds in which servers had to answer in time: clients waited longer than they should have
    to, and the machine was ours."""
    longest_outage_s: float = 0.0
    """From the healing until every server reached all of the store."""
    longest_unserved_s: float = 0.0
    """For which a user got nothing but errors."""
    undone: int = 0
    """Endings that a failover had undone, and that servers did again."""
    longest_undone_s: float = 0.0
    """From the healing until they had, where there were any."""
    lived_again: int = 0
    """Ended sessions that somebody found live meanwhile."""
    errors: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    async def play(self, strikes: Sequence[tuple[Strike[AnyStore_co], Rules]]) -> None:
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

    def conclude(self, **more: object) -> None:
        """Tell what came of it, and fail on any violation. The servers still run."""
        hear_servers(self.arena, self.tally)
        print(f"errors: {listed(self.errors, ' ', '=')}")  # noqa: T201  the result of a soak
        self.tally.conclude(
            self.calls,
            held=self.held,
            void=self.void,
            outage=f"{self.longest_outage_s:.2f}",
            **more,
        )

    def of_production(self) -> dict[str, object]:
        """What besides counts where a store fails over, or nothing may fail."""
        return {
            "unserved": f"{self.longest_unserved_s:.2f}",
            "undone": self.undone,
            "seen": self.lived_again,
            "undone_s": f"{self.longest_undone_s:.2f}",
            "failed": listed(self.failed),
        }

    async def _round(self, strike: Strike[AnyStore_co], rules: Rules, seed: int) -> bool:
        """Whether calls enough were made, and something was struck, and nothing else happened."""
        await self.arena.do(self.arena.store.mend)
        dice = random.Random(f"{self.tally.name} {seed}")
        history = History(deadline_s=self.deadline_s)
        shares = Shares(self.arena.pids)
        said, histories = self._sayings(), await self._histories()
        with ExitStack() as aftermath:
            async with self._clients() as backend, self.beside():
                work = functools.partial(run, backend, history, rules)

                async def crowd(users: int) -> None:
                    await work(seed=dice.randrange(2**32), users=users, until=lambda: False)

                healed = asyncio.Event()
                async with asyncio.TaskGroup() as working:
                    working.create_task(work(seed=seed, users=USERS, until=healed.is_set))
                    await asyncio.sleep(dice.uniform(*_BEFORE_S))
                    scene = Scene(self.arena, dice, crowd, aftermath)
                    struck = await strike(scene)
                    await self._heals(shares)
                    if scene.failovers:
                        await self._settle(scene, history, said)
                    await asyncio.sleep(_AFTER_A_FAILOVER_S if scene.failovers else _AFTER_S)
                    healed.set()
                worked = len(history.calls)
                await look(backend, history)
                made = {failover.history for failover in scene.failovers}
                if await self._histories() - histories != made:
                    return False  # others failed over by themselves: they got no processor
                self._all_was_seen(history.calls[worked:])
            if shares.of_others() > _OTHERS:
                rules = dataclasses.replace(rules, late_ms=inf)
            elif self.patience_s > self.deadline_s:
                self.held += 1
            self._judge(history, rules)
            await self.behind.walk(self.tally)
        return struck > 0 and history.rpcs >= _LEAST_CALLS

    def _clients(self) -> Backend:
        return self.clients() if self.clients else self.arena.backend(deadline_s=self.patience_s)

    def _sayings(self) -> list[Saying]:
        return [Saying.of(server) for server in self.arena.servers]

    async def _heals(self, shares: Shares) -> None:
        outage_s = await self.arena.heals()
        self.longest_outage_s = max(self.longest_outage_s, outage_s)
        self.tally.check(
            outage_s <= self.heals_within_s or shares.of_others() > _OTHERS,
            f"no Validate worked for {outage_s:.1f} s after healing",
        )

    async def _settle(
        self, scene: Scene[AnyStore_co], history: History, before: Sequence[Saying]
    ) -> None:
        """Wait until every server has ended again what it must; from there on nothing is undone."""
        healed = time.monotonic()
        while True:
            pairs = list(zip(self._sayings(), before, strict=True))
            took_s = time.monotonic() - healed
            if all(now.has_said_again_since(then) for now, then in pairs):
                break
            if took_s > HEALTHY_WITHIN_S:
                self.tally.check(False, f"endings were not said again within {took_s:.1f} s")
                break
            await asyncio.sleep(_POLL_S)
        restored = sum(now.restored - then.restored for now, then in pairs)
        in_order = all(failover.since == inf for failover in scene.failovers)
        self.tally.check(
            not (restored and in_order), f"{restored} endings were undone by a failover in order"
        )
        self.undone += restored
        if restored:
            self.longest_undone_s = max(self.longest_undone_s, took_s)
        settled = time.monotonic()
        history.losses += [Loss(each.since, settled, each.strikes) for each in scene.failovers]

    async def _histories(self) -> frozenset[str]:
        return await self.arena.do(self.arena.store.histories)

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
            if fails(call):
                self.failed[call.code] += 1
        self.longest_unserved_s = max(self.longest_unserved_s, history.longest_unserved_s())
        if history.losses:
            self.lived_again += len(list(undone(Story(history, rules, history.calls))))
        self.calls += history.rpcs


def hear_servers(arena: Arena[AnyStore_co], tally: Tally) -> None:
    """Note whether the log of a server tells of a fault. They still run."""
    for server in arena.servers:
        lines = server.log().splitlines()
        if faults := [number for number, line in enumerate(lines) if _is_fault(line)]:
            print(*lines[faults[0] :][:_SHOWN_LINES], sep="\n")  # noqa: T201  for who looks into it
            tally.check(False, f"a server's log tells of a fault: {lines[faults[0]]}")


def _is_fault(line: str) -> bool:
    if _HALF_RENEWED in line:
        return False
    return "level=error" in line or line.startswith(("Traceback", "Task exception"))
