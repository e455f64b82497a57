"""Purging: which sessions go, that a preview tells them, and that nothing is left half done."""

from __future__ import annotations

import random
from contextlib import aclosing
from typing import Final

import pytest

from sessiond.domain.callers import Caller, Role
from sessiond.domain.errors import InvalidFieldError
from sessiond.domain.session import EndReason, Session, State
from sessiond.service.purging import MOST_SAMPLES, Purge, PurgeProgress, Purger
from sessiond.store.maintenance import Maintenance, PurgeScope
from sessiond.store.replies import Request
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.walk import UserWalk
from tests.conftest import rounds
from tests.store.auditing import nothing_is_wrong
from tests.store.inside import Inside, family_of, partition_of
from tests.store.kit import (
    ALICE,
    DAY,
    HOUR,
    KIOSK,
    MOBILE,
    WEB,
    capped,
    login,
    neighbour_of,
    refresh,
    stranger_to,
)

ADMIN: Final = Caller("ops", Role.ADMIN)
USERS: Final = (ALICE, neighbour_of(ALICE), stranger_to(ALICE), "carol", "dave")


@pytest.fixture
def purger(scripts: ScriptSet) -> Purger:
    """Purges in steps of two users."""
    return Purger(Maintenance(scripts), UserWalk(scripts, step=2))


async def purged(purger: Purger, what: Purge, resume_token: str = "") -> list[PurgeProgress]:
    """Every message of a purge that came to its end."""
    steps = [step async for step in purger.purge(ADMIN, what, resume_token)]
    assert [step.done for step in steps] == [False] * (len(steps) - 1) + [True]
    return steps


async def hashes(inside: Inside) -> set[str]:
    """The ids of all sessions that are kept."""
    keys = await inside.all_keys()
    return {key.rpartition(":")[2] for key in keys if family_of(key) == "s"}


async def populate(store: Store, inside: Inside, chance: random.Random) -> None:
    """Sessions of all ages in all states, of which some have been visited."""
    for _ in range(chance.randint(1, 6)):
        for _ in range(chance.randint(1, 8)):
            user, profile = chance.choice(USERS), chance.choice((WEB, MOBILE))
            session = await login(store, user, profile, idle_ms=chance.choice([DAY, 5 * DAY]))
            match chance.randint(0, 3):
                case 0:
                    await store.revoke(session.id, EndReason.LOGOUT, "app")
                case 1:
                    await refresh(store, session, grace_ms=0)
        await inside.let_pass(chance.choice([HOUR // 2, DAY, 3 * DAY]))
        if chance.random() < 0.3:
            await store.prune_user(chance.choice(USERS))


async def test_a_purge_removes_exactly_what_its_preview_showed(
    store: Store, inside: Inside, purger: Purger, scripts: ScriptSet
) -> None:
    """Random sessions of random ages; what goes is known from the sessions themselves."""
    for seed in range(rounds(5)):
        await inside.wipe()
        chance = random.Random(seed)
        await populate(store, inside, chance)
        before = {i: await store.get(i) for i in await hashes(inside)}
        sessions = {i: found.session for i, found in before.items() if found}
        listed = await _listed(inside)
        with_live = chance.random() < 0.5
        older_than = chance.choice([0, HOUR, 2 * DAY, 4 * DAY])

        preview = (await purged(purger, Purge(older_than_ms=older_than, include_active=with_live)))[
            -1
        ]
        assert await hashes(inside) == before.keys()
        doomed = {
            i
            for i, session in sessions.items()
            if i in listed and _is_old(session, preview.cutoff_ms, with_live=with_live)
        }
        what = Purge(cutoff_ms=preview.cutoff_ms, include_active=with_live, execute=True)
        act = (await purged(purger, what))[-1]
        assert await hashes(inside) == before.keys() - doomed
        numbers = [
            sum(sessions[i].state is state for i in doomed)
            for state in (State.ENDED, State.EXPIRED, State.ACTIVE)
        ]
        assert numbers == [preview.ended, preview.expired, preview.active]
        assert numbers == [act.ended, act.expired, act.active]
        await nothing_is_wrong(scripts, store, inside)


async def _listed(inside: Inside) -> set[str]:
    """Sessions in a live set or a history: an expired one that was visited goes by itself."""
    sets = [key for key in await inside.all_keys() if family_of(key) in {"u", "h"}]
    return {session_id for key in sets for session_id in await inside.scores_of(key)}


def _is_old(session: Session, cutoff_ms: int, *, with_live: bool) -> bool:
    if session.state is State.ACTIVE:
        return with_live and session.refresh_ms < cutoff_ms
    return session.end_ms < cutoff_ms


async def test_stopping_and_resuming_removes_the_same(
    store: Store, inside: Inside, purger: Purger, scripts: ScriptSet
) -> None:
    """By the token of any message; the last one counts what all calls removed."""
    calls, count = 0, rounds(3)
    for seed in range(count):
        await inside.wipe()
        chance = random.Random(seed)
        await populate(store, inside, chance)
        what = Purge(older_than_ms=DAY, include_active=True)
        preview = (await purged(purger, what))[-1]
        act = Purge(older_than_ms=DAY, include_active=True, execute=True)
        token, last = "", None
        while last is None or not last.done:
            async with aclosing(purger.purge(ADMIN, act, token)) as messages:
                async for last in messages:
                    token = last.resume_token
                    if chance.random() < 0.3:
                        break
            calls += 1
        assert (last.ended, last.expired, last.active) == (
            preview.ended, preview.expired, preview.active,
        )  # fmt: skip
        assert (await purged(purger, what))[-1].ended == 0
        await nothing_is_wrong(scripts, store, inside)
    assert calls > count


async def test_a_session_that_is_refreshed_after_the_preview_stays(
    store: Store, inside: Inside, purger: Purger
) -> None:
    """It is live, and younger than the cutoff."""
    _, used = await login(store), await login(store)
    await inside.let_pass(2 * DAY)
    preview = (await purged(purger, Purge(older_than_ms=DAY, include_active=True)))[-1]
    assert preview.active == 2
    await refresh(store, used, grace_ms=0)
    await purged(purger, Purge(cutoff_ms=preview.cutoff_ms, include_active=True, execute=True))
    assert await hashes(inside) == {used.id}


async def test_live_sessions_are_ended_by_the_caller(
    store: Store, inside: Inside, purger: Purger
) -> None:
    """Counters, events and verifiers learn of it, though nothing is kept of the sessions."""
    session = await login(store)
    await purged(purger, Purge(older_than_ms=0, include_active=True, execute=True))
    assert await store.get(session.id) is None
    reason = EndReason.REVOKED_BY_ADMIN
    counts = await inside.counts(ALICE)
    assert counts == {"created": 1, "live": 0, f"e:{int(reason)}": 1}
    assert (await inside.log(ALICE))[-1]["e"] == str(int(reason))
    assert session.id in await inside.scores(ALICE, "dead")
    assert await inside.scores(ALICE, "users") == {}


async def test_a_purge_of_live_sessions_leaves_the_history_alone(
    store: Store, inside: Inside, purger: Purger
) -> None:
    """A full history is not trimmed by sessions that are not kept."""
    idle = await login(store, profile=MOBILE)
    await inside.let_pass(DAY)
    for _ in range(100):
        await login(store, profile=capped(WEB, 100))
    await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request(), idle.id)
    (*_, last) = await purged(purger, Purge(older_than_ms=HOUR, include_active=True, execute=True))
    assert (last.ended, last.active) == (0, 1)
    assert len(await inside.scores(ALICE, f"h:{ALICE}")) == 100
    assert len(await hashes(inside)) == 100


async def test_sessions_that_ended_together_go_together(
    store: Store, inside: Inside, purger: Purger
) -> None:
    """Though the history keeps one after the other."""
    for _ in range(9):
        await login(store)
    await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    (*_, last) = await purged(purger, Purge(older_than_ms=0, execute=True))
    assert last.ended == 9
    assert await hashes(inside) == set()


async def test_samples_are_sessions_as_they_were(store: Store, purger: Purger) -> None:
    """At most twenty, each once, in all states that go."""
    for i in range(9):
        for _ in range(3):
            session = await login(store, f"user-{i}")
        await store.revoke(session.id, EndReason.LOGOUT, "app")
    what = Purge(older_than_ms=0, include_active=True, execute=True)
    samples = [sample for step in await purged(purger, what) for sample in step.samples]
    assert len(samples) == len({sample.id for sample in samples}) == MOST_SAMPLES
    assert {sample.state for sample in samples} == {State.ACTIVE, State.ENDED}


async def test_a_step_is_bounded_within_one_user(
    store: Store, inside: Inside, scripts: ScriptSet
) -> None:
    """It removes no more than it may, and goes on where it stopped."""
    for profile in (WEB, MOBILE, KIOSK):
        for _ in range(profile.cap):
            await login(store, profile=profile)
    await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    await login(store)
    scope = PurgeScope(await inside.now_ms() + 1, include_active=True, execute=True)
    done, removed = 0, []
    while not done:
        step = await Maintenance(scripts).purge(
            partition_of(ALICE), [ALICE], scope, caller="ops", samples=0, most=4
        )
        removed.append(step.ended + step.active)
        done = step.users
        await nothing_is_wrong(scripts, store, inside)
    assert removed == [4, 4, 4, 4]


async def test_a_purge_says_how_far_it_has_come(store: Store, purger: Purger) -> None:
    """All users are looked at, and the last message has no token to go on with."""
    for i in range(20):
        await login(store, f"user-{i}")
    steps = await purged(purger, Purge(older_than_ms=0))
    assert [step.users_total for step in steps] == [20] * len(steps)
    assert [step.users_done for step in steps] == sorted(step.users_done for step in steps)
    assert (steps[-1].users_done, steps[-1].resume_token) == (20, "")


@pytest.mark.parametrize("token", ["junk", "WzFd", "bnVsbA==", "é", "W10="])
async def test_a_token_that_is_none_is_refused(purger: Purger, token: str) -> None:
    """Whatever it is made of."""
    with pytest.raises(InvalidFieldError, match="resume_token"):
        await purged(purger, Purge(older_than_ms=0), token)


@pytest.mark.parametrize(
    "other",
    [
        Purge(older_than_ms=1),
        Purge(older_than_ms=0, execute=True),
        Purge(older_than_ms=0, include_active=True),
        Purge(cutoff_ms=0),
    ],
)
async def test_a_token_is_good_for_its_own_purge_alone(
    store: Store, purger: Purger, other: Purge
) -> None:
    """Not for one of another age, nor to act on a preview's."""
    await login(store)
    first = (await purged(purger, Purge(older_than_ms=0)))[0]
    with pytest.raises(InvalidFieldError, match="resume_token"):
        await purged(purger, other, first.resume_token)


async def test_a_purge_needs_an_age(purger: Purger) -> None:
    """Nothing is removed because nothing was said."""
    with pytest.raises(InvalidFieldError, match="age"):
        await purged(purger, Purge(execute=True))
