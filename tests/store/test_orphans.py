"""Orphans: entries without sessions are dropped, sessions without users end, once all is sure."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

import pytest

from sessiond.domain.errors import DirectoryRefusedError
from sessiond.domain.session import EndReason, State
from sessiond.service.orphans import CALLER, MOST_ASKED, FilterMissing, Orphans, OrphansResult
from sessiond.store.maintenance import Maintenance
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.walk import UserWalk
from tests.store.auditing import nothing_is_wrong
from tests.store.inside import Inside
from tests.store.kit import ALICE, BOB, HOUR, WEB, all_pages, capped, login

PEOPLE: Final = tuple(f"user-{i}" for i in range(10))


class Progress:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    async def __call__(self, done: int, total: int) -> None:
        self.told.append((done, total))


class Directory:
    """Knows who is missing, and keeps whom it was asked for."""

    def __init__(self, *missing: str) -> None:
        self.missing = set(missing)
        self.asked: list[tuple[str, ...]] = []

    async def __call__(self, users: Sequence[str]) -> Collection[str]:
        self.asked.append(tuple(users))
        return [user for user in users if user in self.missing]


@pytest.fixture
def orphans(store: Store, scripts: ScriptSet) -> Orphans:
    """The work of the job."""
    return Orphans(store, Maintenance(scripts), UserWalk(scripts))


@pytest.fixture
def progress() -> Progress:
    """What was told on the way."""
    return Progress()


async def test_entries_without_sessions_are_dropped(
    store: Store, inside: Inside, scripts: ScriptSet, orphans: Orphans, progress: Progress
) -> None:
    """From live sets and histories, of users that are due and of others; the rest stays."""
    deleted, ended, live = await login(store), await login(store), await login(store)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await inside.ask("DEL", inside.key(deleted.id), inside.key(ended.id))
    await login(store, BOB, idle_ms=HOUR)
    await login(store, BOB)
    await inside.let_pass(2 * HOUR)
    assert await orphans.drop_dangling(progress) == 3
    assert progress.told[-1] == (2, 2)
    assert list(await inside.scores(ALICE, f"u:default:{ALICE}")) == [live.id]
    assert await orphans.drop_dangling(progress) == 0
    await nothing_is_wrong(scripts, store, inside)


async def test_a_long_set_is_looked_at_to_its_end(
    store: Store, inside: Inside, orphans: Orphans, progress: Progress
) -> None:
    """The newest of many is missed like any other."""
    large = capped(WEB, 200)
    made = await asyncio.gather(*(login(store, profile=large) for _ in range(200)))
    await inside.ask("DEL", inside.key(made[-1].id))
    assert await orphans.drop_dangling(progress) == 1


async def test_sessions_of_missing_users_end(
    store: Store, inside: Inside, scripts: ScriptSet, orphans: Orphans, progress: Progress
) -> None:
    """As USER_DELETED, by the job; others live on."""
    for user in PEOPLE:
        await login(store, user)
    directory = Directory(PEOPLE[0], "somebody-else")
    result = await orphans.end_missing(directory, 0.1, progress)
    assert result == OrphansResult(users_asked=10, users_ended=1, sessions_ended=1)
    (ended,) = await all_pages(store, PEOPLE[0])
    assert (ended.end_reason, ended.ended_by) == (EndReason.USER_DELETED, CALLER)
    for user in PEOPLE[1:]:
        assert [session.state for session in await all_pages(store, user)] == [State.ACTIVE]
    assert progress.told[-1] == (10, 10)
    await nothing_is_wrong(scripts, store, inside)


async def test_only_users_with_live_sessions_are_asked_for(
    store: Store, orphans: Orphans, progress: Progress
) -> None:
    """Whoever has a history alone has nothing to end."""
    await login(store, ALICE)
    gone = await login(store, BOB)
    await store.revoke(gone.id, EndReason.LOGOUT, "app")
    directory = Directory()
    await orphans.end_missing(directory, 0.1, progress)
    assert directory.asked == [(ALICE,)]


async def test_many_users_are_asked_for_in_batches(
    store: Store, orphans: Orphans, progress: Progress
) -> None:
    """Everyone once, before anybody is ended; then the missing ones again."""
    people = [f"user-{i}" for i in range(2 * MOST_ASKED + 10)]
    for first in range(0, len(people), 100):
        await asyncio.gather(*(login(store, user) for user in people[first : first + 100]))
    directory = Directory(*people[:50])
    result = await orphans.end_missing(directory, 0.1, progress)
    assert result == OrphansResult(len(people), 50, 50)
    assert [len(batch) for batch in directory.asked] == [MOST_ASKED, MOST_ASKED, 10, 50]
    assert sorted(user for batch in directory.asked[:3] for user in batch) == sorted(people)


async def test_an_empty_store_asks_nobody(orphans: Orphans, progress: Progress) -> None:
    """There is no share of nothing."""
    directory = Directory()
    assert await orphans.end_missing(directory, 0.0, progress) == OrphansResult(0, 0, 0)
    assert directory.asked == []


async def _fails(users: Sequence[str]) -> Collection[str]:
    raise ConnectionError(len(users))


async def _names_a_stranger(users: Sequence[str]) -> Collection[str]:
    return ["stranger"]


async def _misses_too_many(users: Sequence[str]) -> Collection[str]:
    return users[:2]


@pytest.mark.parametrize("directory", [_fails, _names_a_stranger, _misses_too_many])
async def test_a_directory_that_cannot_be_believed_ends_nothing(
    store: Store, inside: Inside, orphans: Orphans, progress: Progress, directory: FilterMissing
) -> None:
    """One that fails, names whom it was not asked for, or misses more than the share."""
    for user in PEOPLE:
        await login(store, user)
    before = await inside.snapshot()
    with pytest.raises(DirectoryRefusedError):
        await orphans.end_missing(directory, 0.19, progress)
    assert await inside.snapshot() == before


async def test_a_directory_that_fails_late_ends_nothing(
    store: Store, inside: Inside, orphans: Orphans, progress: Progress
) -> None:
    """Nobody is ended before everybody was asked for."""
    people = [f"user-{i}" for i in range(MOST_ASKED + 10)]
    for first in range(0, len(people), 100):
        await asyncio.gather(*(login(store, user) for user in people[first : first + 100]))
    before = await inside.snapshot()
    directory = Directory(*people[:20])

    async def fails_at_last(users: Sequence[str]) -> Collection[str]:
        if directory.asked:
            raise TimeoutError
        return await directory(users)

    with pytest.raises(DirectoryRefusedError):
        await orphans.end_missing(fails_at_last, 0.5, progress)
    assert await inside.snapshot() == before


async def test_somebody_who_came_back_is_not_ended(
    store: Store, inside: Inside, orphans: Orphans, progress: Progress
) -> None:
    """The directory is asked again just before."""
    await login(store)
    await login(store, BOB)
    directory = Directory(ALICE, BOB)

    async def takes_back(users: Sequence[str]) -> Collection[str]:
        missing = await directory(users)
        directory.missing.discard(ALICE)
        return missing

    result = await orphans.end_missing(takes_back, 1.0, progress)
    assert (result.users_ended, result.sessions_ended) == (1, 1)
    assert (await inside.counts(ALICE))["live"] == 1
    assert [session.state for session in await all_pages(store)] == [State.ACTIVE]
