"""Drift, injected by hand at the engine, is found by its name and repaired."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from sessiond.domain.drift import DriftKind
from sessiond.domain.session import EndReason, Session
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.store.auditing import drifts, nothing_is_wrong
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    DAY,
    HOUR,
    MOBILE,
    as_request,
    login,
    neighbour_of,
    refresh,
    stranger_to,
)

_K = DriftKind


@dataclass(frozen=True)
class Town:
    """Sessions of some users, in every state; `key` names a key of alice's partition."""

    inside: Inside
    web: Session
    mobile: Session
    ended: Session

    def key(self, name: str) -> str:
        return self.inside.keys.of_user(ALICE) + name

    async def ask(self, command: str, key: str, *more: str | int) -> None:
        """A plain command on a key of alice's partition."""
        await self.inside.ask(command, self.key(key), *more)


@pytest.fixture
async def town(store: Store, inside: Inside) -> Town:
    """Alice has one session of each kind and more, others have some too."""
    for user in (neighbour_of(ALICE), stranger_to(ALICE)):
        await login(store, user)
        gone = await login(store, user)
        await store.revoke(gone.id, EndReason.LOGOUT, "app")
    visited = neighbour_of(ALICE)
    await login(store, visited, idle_ms=HOUR)
    await inside.let_pass(HOUR + HOUR // 2)
    await store.prune_user(visited)
    await login(store, stranger_to(ALICE), idle_ms=HOUR // 4)
    await inside.let_pass(HOUR // 3)
    made = [await login(store) for _ in range(3)]
    mobile = [await login(store, profile=MOBILE) for _ in range(2)]
    await refresh(store, mobile[0], grace_ms=0)
    ended = await login(store)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await login(store, neighbour_of(ALICE), request=as_request("s"))
    return Town(inside, made[0], mobile[0], ended)


async def test_nothing_is_wrong_before_the_injections(
    store: Store, scripts: ScriptSet, town: Town
) -> None:
    """So that what is found is what was injected."""
    await nothing_is_wrong(scripts, store, town.inside)


Injection = Callable[[Town], Awaitable[None]]
INJECTIONS: list[tuple[str, Injection, dict[DriftKind, int]]] = [
    (
        "a live entry is dropped",
        lambda t: t.ask("ZREM", f"u:default:{ALICE}", t.web.id),
        {_K.LIVE_ENTRY_MISSING: 1, _K.COUNTER_WRONG: 3},
    ),
    (
        "a live set is dropped",
        lambda t: t.ask("DEL", f"u:mobile:{ALICE}"),
        {_K.LIVE_ENTRY_MISSING: 2, _K.COUNTER_WRONG: 3},
    ),
    (
        "a live session is deleted",
        lambda t: t.ask("DEL", f"s:{t.web.id}"),
        {_K.LIVE_ENTRY_DANGLING: 1},
    ),
    (
        "an ended session is put among the live ones",
        lambda t: t.ask("ZADD", f"u:default:{ALICE}", 1, t.ended.id),
        {_K.LIVE_ENTRY_DANGLING: 1, _K.COUNTER_WRONG: 3},
    ),
    (
        "a session is put into another profile's set",
        lambda t: t.ask("ZADD", f"u:kiosk:{ALICE}", 1, t.web.id),
        {_K.LIVE_ENTRY_DANGLING: 1, _K.COUNTER_WRONG: 3},
    ),
    (
        "a session is put into another user's set",
        lambda t: t.ask("ZADD", f"u:default:{neighbour_of(ALICE)}", 1, t.web.id),
        {_K.LIVE_ENTRY_DANGLING: 1, _K.COUNTER_WRONG: 3},
    ),
    (
        "a live entry has another time of creation",
        lambda t: t.ask("ZINCRBY", f"u:default:{ALICE}", 5, t.web.id),
        {_K.LIVE_ENTRY_MISPLACED: 1},
    ),
    (
        "a live entry has a refresh that is too early",
        lambda t: t.ask("ZINCRBY", f"u:mobile:{ALICE}", -10_000_000, t.mobile.id),
        {_K.LIVE_ENTRY_MISPLACED: 1},
    ),
    (
        "a live entry has a refresh that is too late",
        lambda t: t.ask("ZINCRBY", f"u:mobile:{ALICE}", 100_000_000, t.mobile.id),
        {_K.LIVE_ENTRY_MISPLACED: 1},
    ),
    (
        "an ended session is missing from the history",
        lambda t: t.ask("ZREM", f"h:{ALICE}", t.ended.id),
        {_K.HISTORY_ENTRY_MISSING: 1, _K.COUNTER_WRONG: 1},
    ),
    (
        "an ended session is deleted",
        lambda t: t.ask("DEL", f"s:{t.ended.id}"),
        {_K.HISTORY_ENTRY_DANGLING: 1},
    ),
    (
        "a live session is put into the history",
        lambda t: t.ask("ZADD", f"h:{ALICE}", 1, t.web.id),
        {_K.HISTORY_ENTRY_DANGLING: 1, _K.COUNTER_WRONG: 1},
    ),
    (
        "an ended session is put into another user's history",
        lambda t: t.ask("ZADD", f"h:{neighbour_of(ALICE)}", 1, t.ended.id),
        {_K.HISTORY_ENTRY_DANGLING: 1, _K.COUNTER_WRONG: 1},
    ),
    (
        "a user is not listed",
        lambda t: t.ask("ZREM", "users", ALICE),
        {_K.USER_ENTRY_MISSING: 1},
    ),
    (
        "nobody is listed",
        lambda t: t.ask("DEL", "users"),
        {_K.USER_ENTRY_MISSING: 2},
    ),
    (
        "a user is visited too late",
        lambda t: t.ask("ZINCRBY", "users", 365 * DAY, ALICE),
        {_K.USER_ENTRY_LATE: 1},
    ),
    (
        "a live session has no TTL",
        lambda t: t.ask("PERSIST", f"s:{t.web.id}"),
        {_K.TTL_MISSING: 1},
    ),
    (
        "an ended session has no TTL",
        lambda t: t.ask("PERSIST", f"s:{t.ended.id}"),
        {_K.TTL_MISSING: 1},
    ),
    (
        "a request record has no TTL",
        lambda t: t.ask("SET", "i:record", "digest id"),
        {_K.TTL_MISSING: 1},
    ),
    (
        "a live session runs out too early",
        lambda t: t.ask("PEXPIRE", f"s:{t.web.id}", DAY),
        {_K.TTL_WRONG: 1},
    ),
    (
        "an ended session is kept too long",
        lambda t: t.ask("PEXPIRE", f"s:{t.ended.id}", 365 * DAY),
        {_K.TTL_WRONG: 1},
    ),
    (
        "a live set would run out",
        lambda t: t.ask("PEXPIRE", f"u:default:{ALICE}", DAY),
        {_K.TTL_UNEXPECTED: 1},
    ),
    (
        "a history would run out",
        lambda t: t.ask("PEXPIRE", f"h:{ALICE}", DAY),
        {_K.TTL_UNEXPECTED: 1},
    ),
    (
        "the counters would run out",
        lambda t: t.ask("PEXPIRE", "n", DAY),
        {_K.TTL_UNEXPECTED: 1},
    ),
    (
        "verifiers are not told of an ending",
        lambda t: t.ask("ZREM", "dead", t.ended.id),
        {_K.DEAD_ENTRY_MISSING: 1},
    ),
    *(
        (
            f"the counter {name} is off by {by}",
            lambda t, name=name, by=by: t.ask("HINCRBY", "n", name, by),
            {_K.COUNTER_WRONG: 1},
        )
        for name in ("live", "ended", "created", "w:2", "w:17")
        for by in (3, -3)
    ),
]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("inject", "expected"), [row[1:] for row in INJECTIONS], ids=[row[0] for row in INJECTIONS]
)
async def test_each_kind_is_found_by_its_name_and_repaired(
    store: Store,
    scripts: ScriptSet,
    town: Town,
    inject: Injection,
    expected: dict[DriftKind, int],
) -> None:
    """Found alike with and without repair, and by no other name; afterwards nothing is wrong."""
    await inject(town)
    reported = await drifts(scripts)
    assert {kind: drift.found for kind, drift in reported.items()} == expected
    assert not any(drift.repaired for drift in reported.values())
    repaired = await drifts(scripts, repair=True)
    assert {kind: drift.repaired for kind, drift in repaired.items()} == expected
    await nothing_is_wrong(scripts, store, town.inside)
