"""Statistics, against what a naive reading of every session says."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Awaitable
from itertools import pairwise
from math import inf
from random import Random
from typing import Any

import pytest

from sessiond.domain.ids import PARTITIONS
from sessiond.domain.session import EndReason
from sessiond.domain.statistics import (
    AGE_EDGES_MS,
    EXPIRY_EDGES_MS,
    TOP_USERS,
    DurationBar,
    SessionsPerUser,
)
from sessiond.service.statistics import Statistician
from sessiond.store import statistics
from sessiond.store.connect import open_link
from sessiond.store.link import Argument, Link, LinkLimits
from sessiond.store.runner import ScriptRunner
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.engines import Engine
from tests.store.inside import Inside
from tests.store.kit import ALICE, BOB, ENDS, HOUR, MINUTE, WEB, login, stranger_to
from tests.store.lists import (
    SURVEY,
    all_recent,
    all_users,
    statistician_of,
    to_the_millisecond,
    unwatched,
)
from tests.store.population import by_user, kept, live, newest_first, populate, settle


def _bars(edges: tuple[int, ...], durations: list[int]) -> tuple[DurationBar, ...]:
    """A histogram, by asking for each bar which durations are in it."""
    return tuple(
        DurationBar(
            None if upper == inf else int(upper), sum(lower <= d < upper for d in durations)
        )
        for lower, upper in pairwise((-inf, *edges, inf))
    )


async def test_everything_agrees_with_a_naive_reading(
    store: Store, inside: Inside, statistician: Statistician
) -> None:
    """Numbers, recent list, users and survey of random populations, to the last digit."""
    for seed in range(rounds(2)):
        await inside.wipe()
        done = await populate(store, inside, Random(seed), 150)
        await settle(store, inside)
        sessions, now_ms = await kept(inside), await inside.now_ms()
        held, users = live(sessions, now_ms), by_user(sessions, now_ms)
        assert 0 < len(held) < len(sessions)

        stats = await statistician.stats()
        assert stats.live == len(held)
        assert stats.ended == sum(s.end_reason > 0 for s in sessions)
        assert stats.users == len(users)
        assert stats.survey == SURVEY
        assert stats.backlog.users_due == stats.backlog.lag_ms == 0
        assert (stats.totals.created, stats.totals.refreshed) == (
            done["created"],
            done["refreshed"],
        )
        assert stats.totals.created == stats.live + sum(stats.totals.ended.values())
        told = {r: n for r, n in stats.totals.ended.items() if r < EndReason.IDLE}
        assert told == Counter(EndReason(s.end_reason) for s in sessions if s.end_reason)
        assert stats.events == stats.totals.created + sum(stats.totals.ended.values())
        holders = Counter(Counter(s.user for s in held).values())
        assert stats.per_user == SessionsPerUser.of(holders, WEB.cap)
        assert 0 <= stats.read_ms - now_ms < MINUTE

        for size in (4, 200):
            assert await all_users(statistician, size) == users
        for size in (7, 200):
            assert [s.id for s in await all_recent(statistician, size)] == newest_first(sessions)

        survey = await statistician.survey(unwatched)
        ages = [now_ms - s.create_us // 1000 for s in held]
        assert survey.ages == _bars(AGE_EDGES_MS, ages)
        times = [s.expire_ms - now_ms for s in held]
        assert survey.times_to_expiry == _bars(EXPIRY_EDGES_MS, times)
        top = [to_the_millisecond(user) for user in survey.top_users]
        assert top == users[:TOP_USERS]
        assert 0 <= survey.time_ms - now_ms < MINUTE


class Counted:
    """A link that counts what is sent over it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.figures = link.figures
        self.sent = 0
        self.name, self.close, self.holder = link.name, link.close, link.holder
        self.doubt = link.doubt

    def send(self, *command: Argument) -> Awaitable[Any]:
        self.sent += 1
        return self._link.send(*command)


async def test_the_numbers_cost_the_same_at_any_size(
    store: Store, inside: Inside, engine: Engine
) -> None:
    """One script a partition, and the same commands within, for none and for hundreds."""
    link = Counted(open_link(engine.url, LinkLimits()))
    runner = ScriptRunner(link)
    statistician = statistician_of(ScriptSet(runner, inside.keys, ENDS, shebang=inside.shebang))
    await statistician.stats()
    costs = []
    for number in (0, 5, 300):
        await asyncio.gather(*(login(store, f"user-{i % 90}") for i in range(number)))
        link.sent, before = 0, await _commands(inside)
        await statistician.stats()
        costs.append((link.sent, await _commands(inside) - before))
    await runner.close()
    assert costs[0][0] == PARTITIONS
    assert costs == costs[:1] * 3


async def _commands(inside: Inside) -> Counter[str]:
    """How often the engine ran each command, in scripts too; fakeredis does not tell."""
    if not inside.shebang:
        return Counter()
    texts = await inside.everywhere("INFO", "commandstats")
    lines = b"".join(texts).decode().splitlines()
    calls = (line.partition(":calls=") for line in lines if ":calls=" in line)
    counted = Counter[str]()
    for name, _, rest in calls:
        counted[name] += int(rest.partition(",")[0])
    return Counter({n: c for n, c in counted.items() if n != "cmdstat_info"})


async def test_the_reapers_backlog_is_told(
    store: Store, inside: Inside, statistician: Statistician
) -> None:
    """Who is due, and since when; what has expired counts as live until the visit."""
    await login(store, ALICE, idle_ms=HOUR)
    await login(store, stranger_to(ALICE), idle_ms=3 * HOUR)
    await login(store, BOB)
    await inside.let_pass(4 * HOUR)
    stats = await statistician.stats()
    assert (stats.live, stats.users, stats.backlog.users_due) == (3, 3, 2)
    assert 3 * HOUR <= stats.backlog.lag_ms < 3 * HOUR + MINUTE
    await settle(store, inside)
    stats = await statistician.stats()
    assert (stats.live, stats.users, stats.backlog.users_due) == (1, 1, 0)


async def test_a_survey_looks_at_many_sessions_in_several_steps(
    store: Store, scripts: ScriptSet, statistician: Statistician, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the same, and tells how far it has come."""
    await asyncio.gather(*(login(store, f"user-{i % 9}") for i in range(40)))
    whole = await statistician.survey(unwatched)
    assert sum(bar.sessions for bar in whole.ages) == 40
    monkeypatch.setattr(statistics, "_MOST_IN_A_STEP", 1)
    told: list[tuple[int, int]] = []

    async def watch(done: int, total: int) -> None:
        told.append((done, total))

    stepwise = await statistician.survey(watch)
    assert dataclasses.replace(stepwise, time_ms=0) == dataclasses.replace(whole, time_ms=0)
    assert told[-1] == (9, 9)
    assert told == sorted(told)


async def test_an_empty_store_has_statistics(statistician: Statistician) -> None:
    """Zeros, empty lists, and a survey with its time."""
    stats = await statistician.stats()
    assert stats.per_user == SessionsPerUser(0, 0.0, 0, 0, 0, 0, ())
    assert (stats.users, stats.live, stats.ended, stats.events) == (0, 0, 0, 0)
    assert await all_recent(statistician, 30) == []
    assert await all_users(statistician, 30) == []
    survey = await statistician.survey(unwatched)
    assert survey.time_ms >= stats.read_ms
    assert survey.top_users == ()
    assert {bar.sessions for bar in survey.ages + survey.times_to_expiry} == {0}


async def test_reading_writes_nothing(
    store: Store, inside: Inside, statistician: Statistician
) -> None:
    """Not even what it finds expired."""
    await populate(store, inside, Random(5), 60)
    before = await inside.snapshot()
    await statistician.stats()
    await all_recent(statistician, 5)
    await all_users(statistician, 5)
    await statistician.survey(unwatched)
    assert await inside.snapshot() == before
