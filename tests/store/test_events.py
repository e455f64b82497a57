"""Events: what the scripts log, and for how long the dead are remembered."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from sessiond.domain.errors import RefreshTokenReusedError
from sessiond.domain.session import Client, EndReason
from sessiond.store.replies import Request
from sessiond.store.scripts import Store
from tests.engines import Engine
from tests.store.inside import Inside, open_store
from tests.store.kit import (
    ALICE,
    DAY,
    ENDS,
    HOUR,
    MINUTE,
    WEB,
    capped,
    create,
    login,
    refresh,
)
from tests.store.walk import dead_at, walk


async def test_every_creation_and_ending_is_logged_in_order(store: Store, inside: Inside) -> None:
    """Type by reason, session and user; an eviction comes before the creation it made room for."""
    first = await login(store, client=Client(device_id="laptop"))
    second = await login(store, client=Client(device_id="laptop"))
    third = (await create(store, profile=capped(WEB, 1))).session
    await store.revoke(third.id, EndReason.LOGOUT, "app")
    logged = [(int(e["e"]), e["s"], e["u"]) for e in await inside.log(ALICE)]
    assert logged == [
        (0, first.id, ALICE),
        (EndReason.REPLACED, first.id, ALICE),
        (0, second.id, ALICE),
        (EndReason.EVICTED_BY_CAP, second.id, ALICE),
        (0, third.id, ALICE),
        (EndReason.LOGOUT, third.id, ALICE),
    ]
    await walk(store, inside)


async def test_revoke_all_and_a_reused_token_are_logged(store: Store, inside: Inside) -> None:
    """One event for each session."""
    made = [await login(store) for _ in range(2)]
    await refresh(store, made[0], grace_ms=0)
    with pytest.raises(RefreshTokenReusedError):
        await refresh(store, made[0], grace_ms=0)
    await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    logged = [(int(e["e"]), e["s"]) for e in await inside.log(ALICE)]
    assert logged[2:] == [(EndReason.TOKEN_REUSED, made[0].id), (EndReason.REVOKED, made[1].id)]


async def test_an_expiry_is_logged_once_by_whoever_finds_it(store: Store, inside: Inside) -> None:
    """A create, a revoke-all or the reaper."""
    finders = (
        lambda: login(store),
        lambda: store.revoke_user(ALICE, EndReason.REVOKED, "app", Request()),
        lambda: store.prune_user(ALICE),
    )
    for find in finders:
        await inside.wipe()
        session = await login(store, idle_ms=MINUTE)
        await inside.let_pass(MINUTE)
        await find()
        await store.prune_user(ALICE)
        expiries = [e for e in await inside.log(ALICE) if e["e"] == str(int(EndReason.IDLE))]
        assert [(e["s"], e["u"], e["d"]) for e in expiries] == [
            (session.id, ALICE, str(session.expire_ms - MINUTE + ENDS.leeway_ms))
        ]


async def test_refreshes_and_reads_are_not_logged(store: Store, inside: Inside) -> None:
    """Nor are updates, extends, replays and second revokes."""
    session = await login(store)
    before = await inside.log(ALICE)
    await refresh(store, session, grace_ms=0)
    await refresh(store, session)
    await store.extend(session.id, session.client)
    await store.update(session.id, {"a": "1"}, replace_all=False)
    await store.validate(session.id, 0)
    assert await inside.log(ALICE) == before
    await store.revoke(session.id, EndReason.LOGOUT, "app")
    await store.revoke(session.id, EndReason.LOGOUT, "app")
    assert len(await inside.log(ALICE)) == len(before) + 1


@pytest.mark.parametrize("absolute_ms", [90 * DAY, HOUR // 2])
async def test_an_ending_says_when_the_last_access_token_is_dead(
    store: Store, inside: Inside, absolute_ms: int
) -> None:
    """The longest access lifetime from now, or the expiry if that is sooner, and the leeway."""
    session = await login(store, absolute_ms=absolute_ms)
    answer = await store.revoke(session.id, EndReason.LOGOUT, "app")
    assert answer is not None
    expected = min(session.expire_ms, answer.now_ms + ENDS.access_ms) + ENDS.leeway_ms
    assert await inside.scores(ALICE, "dead") == {session.id: expected}
    assert (await inside.log(ALICE))[-1]["d"] == str(expected)
    assert dead_at(await inside.fields(session.id)) == expected


async def test_events_past_their_time_are_trimmed_by_new_ones(store: Store, inside: Inside) -> None:
    """By whole nodes of the stream; this is not the length cap, so it is not counted."""
    log = inside.keys.of_user(ALICE) + "log"
    old = await inside.now_ms() - ENDS.log_ms - MINUTE
    await asyncio.gather(*(inside.ask("XADD", log, f"{old}-{i + 1}", "e", "0") for i in range(250)))
    session = await login(store)
    left = await inside.log(ALICE)
    assert len(left) <= 101
    assert left[-1]["s"] == session.id
    assert "log_cut" not in await inside.counts(ALICE)


@pytest.fixture
async def short_log(
    engine: Engine, prefix: str, inside: Inside
) -> AsyncIterator[tuple[Store, Inside]]:
    """A store that keeps fifty events."""
    store, opened = open_store(engine, prefix, dataclasses.replace(ENDS, log_most=50))
    yield store, opened
    await opened.runner.close()


async def test_the_length_cap_is_counted_where_it_strikes(
    short_log: tuple[Store, Inside],
) -> None:
    """Nothing is lost silently: what is there and what was cut add up."""
    store, inside = short_log
    session = await login(store)
    longest = 1
    for _ in range(20):
        for _ in range(5):
            session = await login(store, replaces_session_id=session.id)
        longest = max(longest, len(await inside.log(ALICE)))
    left = await inside.log(ALICE)
    assert longest <= 50 + 100 + 1
    counts = await inside.counts(ALICE)
    assert counts["log_cut"] > 0
    assert counts["log_cut"] + len(left) == counts["created"] + counts["e:6"] == 201
    assert left[-1]["s"] == session.id
