"""Everything at once while something is struck: no acknowledged word is taken back."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Final

import pytest

from tests.conftest import rounds
from tests.faults.arena import DEADLINE_S, PREFIX, open_arena
from tests.faults.behind import look_behind
from tests.faults.chaos import Chaos
from tests.faults.conftest import DEFAULT_ROUNDS
from tests.faults.engine_strikes import CLOCK, DURABLE, ENGINE, FARTHEST_STEP_S, engine_killed
from tests.faults.line_strikes import CLIENT_LINES, ENGINE_LINE
from tests.faults.one_node import NodeStore, OneNode
from tests.faults.rules import RULES, Rules
from tests.faults.server_strikes import SERVERS, keys_rotated
from tests.faults.strikes import Strike, mixture
from tests.faults.tally import Tally

pytestmark = [pytest.mark.soak, pytest.mark.sampled]

SHARE: Final = 2
"""Rounds here are long: one is played for so many of the others."""
PATIENT_S: Final = 3 * DEADLINE_S
"""Of clients that leave it to the server to end a call in time."""
STEPPING: Final = dataclasses.replace(RULES, slack_ms=1000 * (FARTHEST_STEP_S + 1))
"""For an engine whose clock steps."""
FORGETFUL: Final = dataclasses.replace(RULES, durable=False)
"""For an engine that may lose its last second."""

MIXED: Final[Strike[NodeStore]] = functools.partial(
    mixture, groups=(ENGINE_LINE, CLIENT_LINES, DURABLE, SERVERS)
)


async def test_calls_hold_while_the_engines_line_fails(request: pytest.FixtureRequest) -> None:
    """It is cut, slow, silent, mute, sliced, or loses some of the calls."""
    await _play(request, OneNode(), ENGINE_LINE, patience_s=PATIENT_S)


async def test_calls_hold_while_the_clients_lines_fail(request: pytest.FixtureRequest) -> None:
    """They are cut, slow, silent, mute, sliced, or lose some of the calls."""
    await _play(request, OneNode(), CLIENT_LINES)


async def test_calls_hold_while_the_engine_fails(request: pytest.FixtureRequest) -> None:
    """It is killed, hangs, is out of memory or disk, or forgets its scripts."""
    await _play(request, OneNode(), ENGINE, patience_s=PATIENT_S)


async def test_calls_hold_while_redis_fails(request: pytest.FixtureRequest) -> None:
    """As the embedded engine does."""
    await _play(request, OneNode("redis7"), ENGINE, patience_s=PATIENT_S)


async def test_calls_hold_while_the_engines_clock_steps(request: pytest.FixtureRequest) -> None:
    """Forward or back, by more than grace times and short lifetimes."""
    await _play(request, OneNode(clock=True), CLOCK, patience_s=PATIENT_S)


async def test_calls_hold_while_servers_fail(request: pytest.FixtureRequest) -> None:
    """One of two is killed or hangs, or crowds of clients give up."""
    await _play(request, OneNode(), SERVERS)


async def test_calls_hold_while_keys_rotate(request: pytest.FixtureRequest) -> None:
    """A key of a kind is added, found by both servers, and takes over."""
    await _play(request, OneNode(), [keys_rotated], patience_s=PATIENT_S)


async def test_nothing_acknowledged_is_lost_with_the_engine(
    request: pytest.FixtureRequest,
) -> None:
    """With appendfsync always: it is killed, or exits with its disk full."""
    await _play(request, OneNode(appendfsync="always"), DURABLE, patience_s=PATIENT_S)


async def test_calls_hold_while_several_things_fail(request: pytest.FixtureRequest) -> None:
    """Of the engine, the servers and the lines, two to four are struck at once."""
    await _play(request, OneNode(appendfsync="always"), [MIXED])


async def _play(
    request: pytest.FixtureRequest,
    plan: OneNode,
    strikes: Sequence[Strike[NodeStore]],
    *,
    patience_s: float = DEADLINE_S,
) -> None:
    name: str = request.node.name
    number = max(rounds(DEFAULT_ROUNDS) // SHARE, len(strikes))
    tally = Tally(name.removeprefix("test_"), number)
    async with (
        open_arena(plan, **RULES.settings()) as arena,
        look_behind(arena.store.url, PREFIX) as behind,
    ):
        chaos = Chaos(arena, behind, tally, patience_s)
        try:
            await chaos.play([(strike, _rules(plan, strike)) for strike in strikes])
        finally:
            chaos.conclude()


def _rules(plan: OneNode, strike: Strike[NodeStore]) -> Rules:
    """What holds while this strikes."""
    if strike in CLOCK:
        return STEPPING
    return FORGETFUL if strike is engine_killed and plan.appendfsync != "always" else RULES
