"""The reaper's steps: sweep a partition, visit a user."""

from __future__ import annotations

import asyncio

import pytest

from sessiond.domain.session import EndReason
from sessiond.jobs.reaper import Reaper
from sessiond.store.replies import Pruned
from sessiond.store.scripts import Store
from tests.store.inside import Inside, partition_of, until
from tests.store.kit import (
    ALICE,
    DAY,
    ENDS,
    HOUR,
    MINUTE,
    MOBILE,
    WEB,
    login,
    neighbour_of,
)
from tests.store.walk import walk


async def test_a_visit_drops_the_dead_and_counts_why(store: Store, inside: Inside) -> None:
    """Idle, absolute, or no longer known; of every profile."""
    lost = await login(store)
    await login(store, idle_ms=MINUTE)
    await login(store, profile=MOBILE, idle_ms=2 * MINUTE)
    await login(store, idle_ms=DAY, absolute_ms=3 * MINUTE)
    staying = await login(store)
    await inside.ask("DEL", inside.key(lost.id))
    await inside.let_pass(3 * MINUTE)
    pruned = await store.prune_user(ALICE)
    assert pruned == Pruned(4, 0, staying.expire_ms - 3 * MINUTE)
    counts = await inside.counts(ALICE)
    assert (counts["e:9"], counts["e:10"], counts["e:11"]) == (2, 1, 1)
    await walk(store, inside)


async def test_a_second_visit_finds_nothing(store: Store, inside: Inside) -> None:
    """And changes nothing."""
    await login(store, idle_ms=MINUTE)
    await login(store)
    await inside.let_pass(MINUTE)
    assert (await store.prune_user(ALICE)).dead == 1
    before = await inside.snapshot()
    assert (await store.prune_user(ALICE)).dead == 0
    assert await inside.snapshot() == before


async def test_the_next_visit_is_the_first_thing_to_run_out(store: Store, inside: Inside) -> None:
    """The earliest expiry, or the end of a retention."""
    late = await login(store, idle_ms=60 * DAY)
    ended = await login(store)
    answer = await store.revoke(ended.id, EndReason.LOGOUT, "app")
    assert answer is not None
    assert (await store.prune_user(ALICE)).next_visit_ms == answer.now_ms + ENDS.retention_ms
    early = await login(store, idle_ms=HOUR)
    assert (await store.prune_user(ALICE)).next_visit_ms == early.expire_ms
    await inside.let_pass(31 * DAY)
    assert (await store.prune_user(ALICE)).next_visit_ms == late.expire_ms - 31 * DAY
    await walk(store, inside)


async def test_a_user_with_nothing_left_is_forgotten(store: Store, inside: Inside) -> None:
    """Only the counters and the newest creations remember."""
    session = await login(store)
    await store.revoke(session.id, EndReason.LOGOUT, "app")
    await login(store, idle_ms=HOUR)
    await inside.let_pass(31 * DAY)
    assert await store.prune_user(ALICE) == Pruned(1, 1, 0)
    keys = {key.partition("}:")[2] for key in await inside.all_keys()}
    assert keys == {"n", "recent", "dead", "log"}
    assert await inside.counts(ALICE) == {
        "created": 2,
        "live": 0,
        "ended": 0,
        "e:1": 1,
        "e:11": 1,
    }
    await walk(store, inside)


async def test_visiting_an_unknown_user_writes_nothing(store: Store, inside: Inside) -> None:
    """Such a user is never due again."""
    assert await store.prune_user(ALICE) == Pruned(0, 0, 0)
    assert await inside.snapshot() == {}


async def test_a_sweep_names_the_users_who_are_due(store: Store, inside: Inside) -> None:
    """The longest due first, at most as many as were asked for, and nobody else."""
    early, late = ALICE, neighbour_of(ALICE)
    await login(store, late, idle_ms=2 * MINUTE)
    await login(store, early, idle_ms=MINUTE)
    assert (await store.sweep(partition_of(ALICE), 10)).due == ()
    await inside.let_pass(3 * MINUTE)
    assert (await store.sweep(partition_of(ALICE), 1)).due == (early,)
    assert (await store.sweep(partition_of(ALICE), 10)).due == (early, late)
    for user in (early, late):
        await store.prune_user(user)
    assert (await store.sweep(partition_of(ALICE), 10)).due == ()
    await walk(store, inside)


async def test_a_sweep_trims_the_dead_that_are_surely_dead(store: Store, inside: Inside) -> None:
    """Once the last access token is out of its leeway, in bounded steps."""
    made = [await login(store, absolute_ms=90 * DAY) for _ in range(5)]
    for session in made:
        await store.revoke(session.id, EndReason.LOGOUT, "app")
    await inside.let_pass(ENDS.access_ms)
    await store.sweep(partition_of(ALICE), 3)
    assert len(await inside.scores(ALICE, "dead")) == 5
    await inside.let_pass(ENDS.leeway_ms)
    for left in (2, 0):
        await store.sweep(partition_of(ALICE), 3)
        assert len(await inside.scores(ALICE, "dead")) == left


async def test_a_sweep_trims_events_past_their_time(store: Store, inside: Inside) -> None:
    """By whole nodes of the stream, so fewer than a hundred old ones may stay."""
    log = inside.keys.of_user(ALICE) + "log"
    old = await inside.now_ms() - ENDS.log_ms - MINUTE
    await asyncio.gather(*(inside.ask("XADD", log, f"{old}-{i + 1}", "e", "0") for i in range(250)))
    session = await login(store)
    await store.sweep(partition_of(ALICE), 10)
    left = await inside.log(ALICE)
    assert len(left) <= 101
    assert left[-1]["s"] == session.id


@pytest.mark.parametrize("partition", [0, 63])
async def test_sweeping_an_empty_partition_writes_nothing(
    store: Store, inside: Inside, partition: int
) -> None:
    """No stream comes into being."""
    assert (await store.sweep(partition, 10)).due == ()
    assert await inside.snapshot() == {}


async def test_the_histogram_moves_with_every_way_of_leaving(store: Store, inside: Inside) -> None:
    """A bar that nobody stands on is no field."""
    neighbour = neighbour_of(ALICE)
    for user in (ALICE, ALICE, ALICE, neighbour):
        await login(store, user, idle_ms=HOUR)
    made = await login(store, neighbour, WEB)
    await login(store, neighbour, MOBILE)
    assert _bars(await inside.counts(ALICE)) == {"w:3": 2}
    await store.revoke(made.id, EndReason.LOGOUT, "app")
    assert _bars(await inside.counts(ALICE)) == {"w:3": 1, "w:2": 1}
    await inside.let_pass(HOUR)
    await store.prune_user(ALICE)
    await store.prune_user(neighbour)
    assert _bars(await inside.counts(ALICE)) == {"w:1": 1}
    await walk(store, inside)


def _bars(counts: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if name.startswith("w:")}


async def test_a_visit_of_the_partition_trims_all_that_is_due(store: Store, inside: Inside) -> None:
    """However small its steps are, and though no user is due."""
    for _ in range(7):
        session = await login(store, absolute_ms=90 * DAY)
        await store.revoke(session.id, EndReason.LOGOUT, "app")
    await inside.let_pass(ENDS.access_ms + ENDS.leeway_ms)
    assert await Reaper(store, interval_s=1, batch=2).sweep(partition_of(ALICE)) == 0
    assert await inside.scores(ALICE, "dead") == {}


async def test_one_broken_user_does_not_keep_the_others_from_their_visit(
    store: Store, inside: Inside
) -> None:
    """A key of a wrong type is logged, and everybody else is pruned."""
    if not inside.shebang:
        pytest.skip("fakeredis hangs up at any error reply")
    broken, fine = ALICE, neighbour_of(ALICE)
    for user in (broken, fine):
        await login(store, user, idle_ms=MINUTE)
    await inside.let_pass(MINUTE)
    key = f"{inside.keys.of_user(broken)}u:default:{broken}"
    await inside.ask("DEL", key)
    await inside.ask("SET", key, "junk")
    assert await Reaper(store, interval_s=1, batch=10).sweep(partition_of(ALICE)) == 1
    assert fine not in await inside.scores(ALICE, "users")
    await inside.ask("DEL", key)


async def test_a_fault_of_the_reaper_does_not_end_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers are served without it, so it must not take their server down either."""
    visits = 0

    async def fail(_: int, __: int) -> None:
        nonlocal visits
        visits += 1
        raise KeyError(visits)

    async def visited() -> bool:
        await asyncio.sleep(0)
        return visits >= 3

    monkeypatch.setattr(store, "sweep", fail)
    running = asyncio.create_task(Reaper(store, interval_s=0.1, batch=10).run())
    await until(visited)
    assert not running.done()
    running.cancel()
