"""Everything at once while slots of a cluster move."""

from __future__ import annotations

from typing import Final

import pytest

from tests.faults.production.ground import play
from tests.faults.production.resharding import OF_SLOTS
from tests.faults.production.stores import SixNodes

pytestmark = pytest.mark.soak

SOON_S: Final = 2.0
"""On a machine that others use; calls are tried again every 0.1 s."""
MOST_SHIFTED_MS: Final = 5_000
"""By MIGRATE, of a hundred keys at a time."""


async def test_calls_hold_while_slots_move(request: pytest.FixtureRequest) -> None:
    """Key by key, or at one moment: nothing is undone, and a part that has moved is there."""
    await play(
        request.node.name,
        SixNodes(),
        OF_SLOTS,
        heals_within_s=SOON_S,
        shifted_ms=MOST_SHIFTED_MS,
    )
