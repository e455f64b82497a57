"""Deleting a user: everything goes, whoever logs in meanwhile, and nothing of others."""

from __future__ import annotations

import asyncio
import random
from typing import Final

import pytest

from sessiond.domain.callers import Caller, Role
from sessiond.domain.session import Client, EndReason
from sessiond.service.deletion import Deleted, Deletion
from sessiond.store.maintenance import DeleteStep, Maintenance
from sessiond.store.replies import Request
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.store.auditing import nothing_is_wrong
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    DAY,
    HOUR,
    MINUTE,
    MOBILE,
    PROFILES,
    WEB,
    capped,
    login,
    neighbour_of,
)

ADMIN: Final = Caller("ops", Role.ADMIN)


@pytest.fixture
def deletion(scripts: ScriptSet) -> Deletion:
    """The use case."""
    return Deletion(Maintenance(scripts))


async def test_every_session_of_a_user_goes(
    store: Store, inside: Inside, scripts: ScriptSet, deletion: Deletion
) -> None:
    """Live ones are ended, ended and expired ones erased, and nobody else's are touched."""
    neighbour = await login(store, neighbour_of(ALICE))
    ended = await login(store)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    live = [await login(store, profile=profile) for profile in PROFILES]
    await login(store, idle_ms=MINUTE)
    await inside.let_pass(2 * MINUTE)
    assert await deletion.delete_user(ADMIN, ALICE) == Deleted(ended=3, erased=2)
    kept = [key for key in await inside.all_keys() if ALICE in key or ":s:" in key]
    assert kept == [inside.key(neighbour.id)]
    assert list(await inside.scores(ALICE, "users")) == [neighbour.user_id]
    assert list(await inside.scores(ALICE, "recent")) == [neighbour.id]
    assert {session.id for session in live} < set(await inside.scores(ALICE, "dead"))
    await nothing_is_wrong(scripts, store, inside)


async def test_verifiers_are_told_who_ended_them(
    store: Store, inside: Inside, deletion: Deletion
) -> None:
    """By an event of its own reason."""
    session = await login(store)
    await deletion.delete_user(ADMIN, ALICE)
    last = (await inside.log(ALICE))[-1]
    assert (last["e"], last["s"]) == (str(int(EndReason.USER_DELETED)), session.id)
    assert last["d"] == str((await inside.scores(ALICE, "dead"))[session.id])


async def test_deleting_twice_is_no_error(store: Store, inside: Inside, deletion: Deletion) -> None:
    """Nor is deleting somebody who was never there; neither writes anything."""
    await login(store)
    await deletion.delete_user(ADMIN, ALICE)
    before = await inside.snapshot()
    for user in (ALICE, neighbour_of(ALICE)):
        assert await deletion.delete_user(ADMIN, user) == Deleted(ended=0, erased=0)
    assert await inside.snapshot() == before


async def test_what_is_gone_already_is_not_counted(
    store: Store, inside: Inside, scripts: ScriptSet, deletion: Deletion
) -> None:
    """Its entries go all the same."""
    ended = await login(store)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await login(store, idle_ms=HOUR)
    await inside.let_pass(31 * DAY)
    assert await deletion.delete_user(ADMIN, ALICE) == Deleted(ended=0, erased=0)
    assert await inside.scores(ALICE, f"h:{ALICE}") == {}
    await nothing_is_wrong(scripts, store, inside)


async def test_many_sessions_go_a_hundred_at_a_time(
    store: Store, inside: Inside, scripts: ScriptSet, deletion: Deletion
) -> None:
    """No step leaves anything half done."""
    large, phones = capped(WEB, 105), capped(MOBILE, 105)
    await asyncio.gather(*(login(store, profile=large) for _ in range(105)))
    await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    await asyncio.gather(*(login(store, profile=phones) for _ in range(105)))
    step = await Maintenance(scripts).delete_user(ALICE, caller="ops")
    assert step == DeleteStep(ended=100, erased=0, left=105)
    await nothing_is_wrong(scripts, store, inside)
    assert await deletion.delete_user(ADMIN, ALICE) == Deleted(ended=5, erased=100)
    await nothing_is_wrong(scripts, store, inside)


async def test_counters_stay_right_under_logins_of_the_same_user(
    store: Store, inside: Inside, scripts: ScriptSet, deletion: Deletion
) -> None:
    """Deletions and logins in any order: whoever logged in after the last one is live."""
    for seed in range(rounds(10)):
        chance = random.Random(seed)

        async def log_in(chance: random.Random = chance) -> None:
            device = Client(device_id=chance.choice(["", "phone"]))
            await login(store, profile=chance.choice(PROFILES[:2]), client=device)

        work = [*(log_in() for _ in range(20))]
        work += [_delete(deletion) for _ in range(5)]
        chance.shuffle(work)
        await asyncio.gather(*work)
        await nothing_is_wrong(scripts, store, inside)
        await deletion.delete_user(ADMIN, ALICE)
        counts = await inside.counts(ALICE)
        assert (counts["live"], counts.get("ended", 0)) == (0, 0)
        assert not [name for name in counts if name.startswith("w:")]


async def _delete(deletion: Deletion) -> None:
    await deletion.delete_user(ADMIN, ALICE)
