"""Everything at once while the primary changes: what is lost, and what no failover may change."""

from __future__ import annotations

import dataclasses
import os

import pytest

from tests.conftest import rounds
from tests.engines import require_engine
from tests.faults.arena import PREFIX
from tests.faults.behind import look_behind
from tests.faults.rules import RULES
from tests.faults.tally import Tally
from tests.topologies.sentinel_arena import (
    FailoverChaos,
    open_group_arena,
    primary_hands_over,
    primary_hangs,
    primary_killed,
    primary_killed_behind,
)

_DEFAULT_ROUNDS = 3
_SHARE = 2
_STRIKES = (primary_killed, primary_hands_over, primary_killed_behind, primary_hangs)
_LOSING = dataclasses.replace(RULES, durable=False)


@pytest.mark.soak
@pytest.mark.timeout(240 + 20 * int(os.environ.get("ROUNDS") or _DEFAULT_ROUNDS))
async def test_calls_hold_while_sentinels_replace_the_primary() -> None:
    """It is killed, with and without replicas that follow, hangs, or is replaced in order."""
    require_engine("redis7")
    number = max(rounds(_DEFAULT_ROUNDS) // _SHARE, len(_STRIKES))
    tally = Tally("calls_hold_while_sentinels_replace_the_primary", number)
    async with (
        open_group_arena(**RULES.settings()) as arena,
        look_behind(arena.group.url, PREFIX) as behind,
    ):
        chaos = FailoverChaos(arena, behind, tally)
        try:
            await chaos.play([(strike, _LOSING) for strike in _STRIKES])
        finally:
            print(f"endings undone for a while, seen by calls: {chaos.undone}")  # noqa: T201
            chaos.conclude()
