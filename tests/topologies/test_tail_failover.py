"""Logs that are followed while the primary changes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Final, cast

import pytest

from sessiond.domain.errors import LogRewoundError, StoreUnavailableError
from sessiond.store.connect import open_link
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits
from sessiond.store.runner import ScriptRunner
from tests.engines import Engine
from tests.store.inside import Inside, until
from tests.store.logs import following, write
from tests.topologies.sentinel_group import Group

LIMITS: Final = LinkLimits(connect_s=1, read_s=1)


@pytest.fixture
async def inside(group: Group) -> AsyncIterator[Inside]:
    """What is behind the sentinels."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    runner = ScriptRunner(open_link(group.url, LIMITS))
    yield Inside(runner, Keyspace(prefix), prefix, shebang=True)
    await runner.close()


def _as_engine(group: Group) -> Engine:
    return cast(Engine, SimpleNamespace(name="redis7", url=group.url))


async def _kill_primary(group: Group, inside: Inside) -> None:
    """And wait until the new one answers."""
    await asyncio.to_thread(group.kill_primary)

    async def answers() -> bool:
        try:
            await inside.ask("PING")
        except StoreUnavailableError:
            return False
        return True

    await until(answers)


async def test_a_tail_goes_on_at_the_new_primary(group: Group, inside: Inside) -> None:
    """What was replicated and what came after are told once, in order."""
    async with following(_as_engine(group), inside, LIMITS) as tail:
        written = await write(inside, 3)
        await tail.checkpoint()
        group.until_replicated()
        await _kill_primary(group, inside)
        written += await write(inside, 3)
        await tail.until(lambda: tail.reconnections)
        await tail.checkpoint()
        assert tail.sessions == written


async def test_a_tail_that_was_told_more_than_the_new_primary_knows_says_so(
    group: Group, inside: Inside
) -> None:
    """Its watchers take a new snapshot: never a silent gap."""
    async with following(_as_engine(group), inside, LIMITS) as tail:
        await write(inside)
        await tail.checkpoint()
        group.cut_replicas()
        await write(inside, 2)
        await tail.until(lambda: len(tail.sessions) == 3)
        await _kill_primary(group, inside)
        await write(inside, 5)
        with pytest.raises(LogRewoundError):
            await tail.until(lambda: False)
