"""An audit of a store in use: it finds nothing, because there is nothing, and breaks nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

import pytest

from sessiond.domain.callers import Caller, Role
from sessiond.domain.errors import (
    RefreshTokenReusedError,
    SessionEndedError,
    SessionExpiredError,
    SessionLimitReachedError,
    SessionNotFoundError,
)
from sessiond.domain.session import Client, EndReason, Session
from sessiond.jobs.reaper import Reaper
from sessiond.service.deletion import Deletion
from sessiond.service.orphans import Orphans
from sessiond.service.purging import Purge, Purger
from sessiond.store.maintenance import Maintenance
from sessiond.store.replies import EndPolicy, Request
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.walk import UserWalk
from tests.conftest import rounds
from tests.engines import Engine
from tests.store.auditing import drifts
from tests.store.inside import Inside, family_of, open_store, partition_of, until
from tests.store.kit import ENDS, PROFILES, login, neighbour_of, refresh, stranger_to
from tests.store.walk import walk

ADMIN: Final = Caller("ops", Role.ADMIN)
USERS: Final = ("alice", neighbour_of("alice"), stranger_to("alice"), *(f"u{i}" for i in range(9)))
# Short enough that sessions expire, and ended ones are forgotten, in the middle of an audit.
SHORT: Final = dataclasses.replace(ENDS, retention_ms=60, access_ms=30, leeway_ms=5)
LIFETIMES: Final = (5, 20, 60, 10_000)
REFUSALS: Final = (
    RefreshTokenReusedError,
    SessionEndedError,
    SessionExpiredError,
    SessionLimitReachedError,
    SessionNotFoundError,
)
CALLS: Final = 60
"""Of each worker, in a round."""
WORKERS: Final = 8


class Load:
    """Random calls on a few users."""

    def __init__(self, store: Store, scripts: ScriptSet, chance: random.Random) -> None:
        self._store = store
        self._chance = chance
        self._known: list[Session] = []
        maintenance = Maintenance(scripts)
        self._walk = UserWalk(scripts)
        self._deletion = Deletion(maintenance)
        self._purger = Purger(maintenance, self._walk)
        self._orphans = Orphans(store, maintenance, self._walk)

    async def work(self) -> None:
        """One worker's calls; refusals are part of them."""
        calls: list[tuple[int, Callable[[], Awaitable[object]]]] = [
            (40, self._create),
            (20, self._refresh),
            (10, self._revoke),
            (5, self._revoke_user),
            (10, self._reap),
            (2, self._delete),
            (2, self._purge),
            (1, self._drop_dangling),
        ]
        weights = [weight for weight, _ in calls]
        for _ in range(CALLS):
            call = self._chance.choices(calls, weights)[0][1]
            with suppress(*REFUSALS):
                await call()

    async def _create(self) -> None:
        chance = self._chance
        session = await login(
            self._store,
            chance.choice(USERS),
            chance.choice(PROFILES),
            idle_ms=chance.choice(LIFETIMES),
            absolute_ms=chance.choice(LIFETIMES),
            client=Client(device_id=chance.choice(["", "", "phone"])),
        )
        self._known.append(session)

    async def _refresh(self) -> None:
        if self._known:
            await refresh(self._store, self._chance.choice(self._known), grace_ms=0)

    async def _revoke(self) -> None:
        if self._known:
            session_id = self._chance.choice(self._known).id
            await self._store.revoke(session_id, EndReason.LOGOUT, "app")

    async def _revoke_user(self) -> None:
        user = self._chance.choice(USERS)
        await self._store.revoke_user(user, EndReason.REVOKED, "app", Request())

    async def _reap(self) -> None:
        reaper = Reaper(self._store, interval_s=1, batch=3)
        await reaper.sweep(partition_of(self._chance.choice(USERS)))

    async def _delete(self) -> None:
        await self._deletion.delete_user(ADMIN, self._chance.choice(USERS))

    async def _purge(self) -> None:
        what = Purge(
            older_than_ms=self._chance.choice([0, 30]),
            include_active=self._chance.random() < 0.5,
            execute=True,
        )
        async for _ in self._purger.purge(ADMIN, what):
            pass

    async def _drop_dangling(self) -> None:
        async def ignore(_: int, __: int) -> None:
            pass

        await self._orphans.drop_dangling(ignore)


@pytest.fixture
async def short(
    engine: Engine, prefix: str, inside: Inside
) -> AsyncIterator[tuple[Store, ScriptSet, EndPolicy]]:
    """A store that forgets what has ended at once."""
    store, opened = open_store(engine, prefix, SHORT)
    yield store, ScriptSet(opened.runner, opened.keys, SHORT, shebang=opened.shebang), SHORT
    await opened.runner.close()


async def _nothing_runs_out(inside: Inside) -> bool:
    """Whether all ended sessions are forgotten: the walk of the tests reads key by key."""
    sessions = [key for key in await inside.all_keys() if family_of(key) == "s"]
    ended = await asyncio.gather(*(inside.ask("HEXISTS", key, "E") for key in sessions))
    return not any(ended)


async def test_live_traffic_is_no_drift(
    short: tuple[Store, ScriptSet, EndPolicy], inside: Inside
) -> None:
    """Audits in a row, every other one with repair, while everything happens to few users."""
    store, scripts, ends = short
    audits = 0
    for seed in range(rounds(3)):
        load = Load(store, scripts, random.Random(seed))
        working = asyncio.gather(*(load.work() for _ in range(WORKERS)))
        while not working.done():
            assert await drifts(scripts, repair=bool(audits % 2)) == {}
            audits += 1
        await working
        await until(lambda: _nothing_runs_out(inside))
        await walk(store, inside, ends)
        assert await drifts(scripts) == {}
    print(f"audits: {audits}", end=" ")  # noqa: T201  shown with -s and with failures
