"""Everything at once while primaries are replaced: nothing is undone but what has to be."""

from __future__ import annotations

import pytest

from tests.faults.production.failovers import OF_CLUSTER, OF_GROUP
from tests.faults.production.ground import play
from tests.faults.production.stores import Sentinels, SixNodes

pytestmark = pytest.mark.soak


async def test_calls_hold_while_sentinels_fail_over(request: pytest.FixtureRequest) -> None:
    """In order, or the primary is killed or hangs, with replicas in step, behind or hung."""
    await play(request.node.name, Sentinels(), OF_GROUP)


async def test_calls_hold_while_a_cluster_fails_over(request: pytest.FixtureRequest) -> None:
    """In order, or a primary is killed, with its replica in step or behind."""
    await play(request.node.name, SixNodes("redis7"), OF_CLUSTER)
