"""A store on each engine, and a fleet of servers that attend to a job."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sessiond.store.job_ledger import JobLedger
from tests.engines import Engine
from tests.jobs.fleet import Fleet, ledger_of
from tests.store.conftest import inside, opened, prefix, store
from tests.store.inside import Inside

__all__ = ["inside", "opened", "prefix", "store"]


@pytest.fixture
def ledger(inside: Inside) -> JobLedger:
    """The ledger of the fleet, with nothing in it."""
    return ledger_of(inside)


@pytest.fixture
async def fleet(engine: Engine, inside: Inside) -> AsyncIterator[Fleet]:
    """A fleet without servers yet; those that a test adds end with it."""
    async with Fleet(engine, inside) as made:
        yield made
