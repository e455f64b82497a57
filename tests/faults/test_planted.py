"""The checker finds every bug that is planted, and none in a server without one."""

from __future__ import annotations

from typing import Final

import pytest

from tests.engines import RealEngine
from tests.faults.hunt import LEAST_CALLS, hunt
from tests.faults.planted import BUGS, program
from tests.faults.sessiond import Sessiond

SEEDS: Final = range(3)
"""Of the runs on a server with a bug, until it is found."""
CONTROLS: Final = SEEDS[:2]


@pytest.mark.sampled
@pytest.mark.parametrize("name", BUGS)
async def test_a_planted_bug_is_found(far_engine: RealEngine, name: str) -> None:
    """A server with one bug breaks an invariant that the checker names."""
    bug = BUGS[name]
    for seed in SEEDS:
        found = await hunt(
            far_engine, program(name), lossy=bug.lossy, seed=seed, until=frozenset(bug.breaks)
        )
        broken = {violation.invariant for violation in found.violations}
        if broken & set(bug.breaks):
            break
    others = (
        f"; also broken: {', '.join(sorted(rest))}" if (rest := broken - set(bug.breaks)) else ""
    )
    names = ", ".join(sorted(broken & set(bug.breaks)))
    print(f"{name}: {bug.sentence} Found in {found.calls} calls: {names}{others}")  # noqa: T201
    assert names, f"not found in {len(SEEDS)} runs: {bug.sentence}{others}"


@pytest.mark.sampled
@pytest.mark.parametrize("lossy", [False, True], ids=["calm", "lossy"])
@pytest.mark.parametrize("seed", CONTROLS)
async def test_nothing_is_found_where_nothing_was_planted(
    far_engine: RealEngine, lossy: bool, seed: int
) -> None:
    """The same runs, on the server as it is, break nothing."""
    found = await hunt(far_engine, Sessiond.program, lossy=lossy, seed=seed)
    print(f"control: {found.calls} calls in {found.seconds:.1f} s", end=" ")  # noqa: T201
    assert not found.violations, "\n".join(map(str, found.violations[:20]))
    assert found.calls >= LEAST_CALLS
