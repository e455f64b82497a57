"""Work that is stopped between any two scripts, as by a kill, leaves nothing that is drift."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from typing import Any, Final

import pytest

from sessiond.domain.callers import Caller, Role
from sessiond.domain.session import EndReason
from sessiond.service.deletion import Deletion
from sessiond.service.orphans import Orphans
from sessiond.service.purging import Purge, Purger
from sessiond.store.link import Argument
from sessiond.store.maintenance import Maintenance
from sessiond.store.replies import Request
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.walk import UserWalk
from tests.store.auditing import drifts, index_audit, nothing_is_wrong
from tests.store.inside import Inside
from tests.store.kit import ALICE, BOB, ENDS, HOUR, WEB, capped, login

ADMIN: Final = Caller("ops", Role.ADMIN)
WRITING: Final = {
    "audit_indexes", "audit_sessions", "audit_ttls", "delete_user", "prune_user", "purge",
    "recount", "revoke_user",
}  # fmt: skip


class KilledError(Exception):
    """The process is gone."""


class Mortal(ScriptSet):
    """Scripts of a process that is killed before it runs one too many of those that write."""

    def __init__(self, inside: Inside, lives: int) -> None:
        super().__init__(inside.runner, inside.keys, ENDS, shebang=inside.shebang)
        self._lives = lives

    async def run(
        self, name: str, base: str, arguments: Sequence[Argument] = (), *, idempotent: bool
    ) -> Any:
        if name in WRITING:
            if self._lives == 0:
                raise KilledError
            self._lives -= 1
        return await super().run(name, base, arguments, idempotent=idempotent)


async def _purge(scripts: ScriptSet) -> None:
    purger = Purger(Maintenance(scripts), UserWalk(scripts))
    what = Purge(older_than_ms=0, include_active=True, execute=True)
    await _through(purger.purge(ADMIN, what))


async def _delete(scripts: ScriptSet) -> None:
    await Deletion(Maintenance(scripts)).delete_user(ADMIN, ALICE)


async def _end_orphans(scripts: ScriptSet) -> None:
    orphans = Orphans(Store(scripts), Maintenance(scripts), UserWalk(scripts))

    async def ignore(_: int, __: int) -> None:
        pass

    async def nobody_is_there(users: Sequence[str]) -> Collection[str]:
        return users

    await orphans.drop_dangling(ignore)
    await orphans.end_missing(nobody_is_there, 1.0, ignore)


async def _audit(scripts: ScriptSet) -> None:
    await _through(index_audit(scripts).audit(repair=True))


async def _through(steps: AsyncGenerator[Any, None]) -> None:
    async for _ in steps:
        pass


async def _populate(store: Store, inside: Inside) -> None:
    """Some of everything, and more of alice than a step takes."""
    large = capped(WEB, 60)
    for user in (ALICE, BOB, "carol", "dave"):
        for _ in range(2):
            await login(store, user, idle_ms=HOUR)
    await inside.let_pass(2 * HOUR)
    for _ in range(60):
        await login(store, profile=large)
    await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    for _ in range(55):
        await login(store, profile=large)
    for user in (BOB, "carol", "dave"):
        await login(store, user)
        gone = await login(store, user)
        await store.revoke(gone.id, EndReason.LOGOUT, "app")


@pytest.mark.parametrize("work", [_purge, _delete, _end_orphans])
async def test_work_that_is_killed_leaves_no_drift(
    store: Store, inside: Inside, scripts: ScriptSet, work: Callable[[ScriptSet], Awaitable[None]]
) -> None:
    """After any number of scripts; another process goes on where it stopped."""
    await _populate(store, inside)
    kills, killed = 0, True
    while killed:
        try:
            await work(Mortal(inside, 1))
            killed = False
        except KilledError:
            kills += 1
        await nothing_is_wrong(scripts, store, inside)
    assert kills > 0


async def test_an_audit_that_is_killed_leaves_only_what_was_there(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """What it has repaired stays so, and the next one does the rest."""
    made = [await login(store, f"user-{i}") for i in range(5)]
    for session in made:
        base = inside.keys.of_user(session.user_id)
        await inside.ask("ZREM", f"{base}u:default:{session.user_id}", session.id)
        await inside.ask("PERSIST", inside.key(session.id))
    before = set(await drifts(scripts))
    for lives in range(0, 140, 10):
        try:
            await _audit(Mortal(inside, lives))
        except KilledError:
            assert set(await drifts(scripts)) <= before
        else:
            break
    await nothing_is_wrong(scripts, store, inside)
    assert lives > 0
