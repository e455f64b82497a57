"""What the tests of this directory stand on."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from tests.conftest import rounds
from tests.faults.arena import DEADLINE_S, PREFIX, Arena, Doors, open_arena
from tests.faults.backend import Backend
from tests.faults.behind import look_behind
from tests.faults.chaos import HEALTHY_WITHIN_S, Chaos
from tests.faults.conftest import DEFAULT_ROUNDS
from tests.faults.plan import AnyStore_co, Plan
from tests.faults.production.operators import Operators
from tests.faults.rules import RULES, Rules
from tests.faults.strikes import Strike
from tests.faults.tally import Tally

SHARE: Final = 4
"""Rounds here are longer still: one is played for so many of the others."""
PATIENT_S: Final = 3 * DEADLINE_S
"""Of clients that leave it to the server to end a call in time."""
CALL_S: Final = 5.0
"""What the SDK gives a call by default, retries included."""
UNHURRIED: Final[Mapping[str, str]] = {"max_call_time": f"{CALL_S}s", "store_read_timeout": "2s"}
"""Of servers that are to fail no call: as they are by default."""
UNBROKEN: Final = dataclasses.replace(RULES, unbroken=True)
"""For what nobody is to notice."""


async def play(
    name: str,
    plan: Plan[AnyStore_co],
    strikes: Sequence[Strike[AnyStore_co]],
    *,
    rules: Rules = RULES,
    doors: Doors = Doors(),  # noqa: B008  frozen
    clients: Callable[[Arena[AnyStore_co]], Backend] | None = None,
    heals_within_s: float = HEALTHY_WITHIN_S,
    shifted_ms: int = 0,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Play rounds of these strikes, and tell what came of them.

    Args:
        name: of the test.
        plan: what servers keep their sessions in.
        strikes: played in turn.
        rules: what servers are held to meanwhile.
        doors: how clients come to servers.
        clients: who calls, if not backends that retry nothing.
        heals_within_s: how soon after a strike servers reach all of the store.
        shifted_ms: how much longer than they should keys may be kept in the end.
        settings: of the servers.
    """
    tally = Tally(name.removeprefix("test_"), max(rounds(DEFAULT_ROUNDS) // SHARE, 1))
    async with (
        open_arena(plan, doors, **rules.settings(), **settings) as arena,
        look_behind(arena.store.url, PREFIX, shifted_ms=shifted_ms) as behind,
    ):
        chaos = Chaos(arena, behind, tally, PATIENT_S)
        chaos.heals_within_s = heals_within_s
        operators = Operators(arena, tally)
        chaos.beside = operators.working
        if clients:
            chaos.clients, chaos.deadline_s = functools.partial(clients, arena), CALL_S
        try:
            await chaos.play([(strike, rules) for strike in strikes])
        finally:
            chaos.conclude(**chaos.of_production(), **operators.told())
