"""The orphans job, over a real store and with real directories."""

from __future__ import annotations

import grpc
import pytest

from sessiond.domain.jobs import JobOutcome, JobResult
from sessiond.domain.session import EndReason
from sessiond.jobs.directory import UserDirectory
from sessiond.jobs.orphans import OrphansJob
from sessiond.service.orphans import CALLER, Orphans
from sessiond.store.maintenance import Maintenance
from sessiond.store.scripts import Store
from sessiond.store.walk import UserWalk
from tests.jobs.directories import (
    Answer,
    Directory,
    failing,
    naming_others,
    serving,
    silent,
    without,
)
from tests.store.inside import Inside, scripts_of
from tests.store.kit import login
from tests.store.walk import walk

USERS = [f"user-{number}" for number in range(20)]
DROPPED = "0 dangling entries dropped"


async def run(
    store: Store, inside: Inside, directory: Directory | None, max_missing: float = 0.1
) -> JobResult:
    """Run the job once."""
    scripts = scripts_of(inside)
    orphans = Orphans(store, Maintenance(scripts), UserWalk(scripts))
    client = UserDirectory(directory.address, deadline_s=0.5) if directory else None

    async def no_progress(_: int, __: int) -> None:
        pass

    return await OrphansJob(orphans, client, None, max_missing=max_missing).run(no_progress)


async def test_entries_without_sessions_are_dropped(store: Store, inside: Inside) -> None:
    """Though no directory is there to ask."""
    lost = await login(store)
    await login(store)
    await inside.ask("DEL", inside.key(lost.id))
    assert await run(store, inside, None) == JobResult("1 dangling entries dropped")
    await walk(store, inside)


async def test_sessions_of_users_that_no_longer_exist_are_ended(
    store: Store, inside: Inside
) -> None:
    """As deleted users', by the job; everybody was asked for, and the others stay."""
    made = {user: await login(store, user) for user in USERS}
    await login(store, USERS[3])
    async with serving(without(USERS[3])) as directory:
        result = await run(store, inside, directory)
    assert result == JobResult(
        f"{DROPPED}; 1 of 20 users no longer exist, and their 2 sessions were ended"
    )
    assert sorted(directory.asked[0]) == sorted(USERS)
    for user, session in made.items():
        found = await store.get(session.id)
        assert found is not None
        wanted = EndReason.USER_DELETED if user == USERS[3] else EndReason.NONE
        assert found.session.end_reason is wanted
    assert (await inside.fields(made[USERS[3]].id))["B"] == CALLER
    await walk(store, inside)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (failing(grpc.StatusCode.INTERNAL), "the directory failed"),
        (silent, "the directory failed"),
        (naming_others, "the directory named users that it was not asked for"),
        (without(*USERS[:3]), "the directory misses 3 of 20 users"),
    ],
    ids=["failing", "slow", "naming others", "missing too many"],
)
async def test_a_directory_that_is_not_to_be_believed_ends_nothing(
    store: Store, inside: Inside, answer: Answer, why: str
) -> None:
    """The result says so, and what was dropped all the same."""
    for user in USERS:
        await login(store, user)
    before = await inside.snapshot()
    async with serving(answer) as directory:
        result = await run(store, inside, directory)
    assert result.outcome is JobOutcome.REFUSED
    assert result.message.startswith(f"{DROPPED}; {why}")
    assert await inside.snapshot() == before


async def test_a_share_of_one_believes_a_directory_that_misses_everybody(
    store: Store, inside: Inside
) -> None:
    """It is for whoever sets it."""
    for user in USERS:
        await login(store, user)
    async with serving(without(*USERS)) as directory:
        result = await run(store, inside, directory, max_missing=1)
    assert result.outcome is JobOutcome.SUCCEEDED
    assert "their 20 sessions were ended" in result.message
    await walk(store, inside)
