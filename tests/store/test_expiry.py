"""Expiry, to the millisecond of the engine's clock. These tests wait in real time."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import pytest

from sessiond.domain.session import EndReason, State
from sessiond.store.keyspace import LUA_KEYS
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.store.inside import Inside, partition_of, until
from tests.store.kit import ALICE, DAY, ENDS, HOUR, MINUTE, REMEMBERED, login, refresh
from tests.store.walk import walk

SHORT = 40
ENDING = (ENDS.retention_ms, ENDS.access_ms, ENDS.leeway_ms, ENDS.log_ms, ENDS.log_most, "")


@dataclass(frozen=True)
class Call:
    """A script with what stands before and after the session id, and its answer while alive."""

    script: str
    alive: bytes
    before: tuple[str | int, ...] = ()
    after: tuple[str | int, ...] = ()


CALLS = [
    Call("get", b"ACTIVE"),
    Call("validate", b"ACTIVE", (), (DAY,)),
    Call("validate", b"ACTIVE", (), (0,)),
    Call("extend", b"EXTENDED", (), ("",)),
    Call("update", b"UPDATED", (), ("", "", "some", 480, 32, 0)),
    Call("refresh", b"CURRENT", ENDING, (1, "", DAY, 77, "")),
    Call("refresh", b"REPLAYED", ENDING, (0, "", DAY, 77, "")),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.alive.decode())
async def test_every_script_sees_the_expiry_at_the_same_millisecond(
    store: Store, inside: Inside, call: Call
) -> None:
    """Each answer agrees with its own clock: alive exactly while now < expiry."""
    base, left = inside.keys.of_user(ALICE), rounds(2)
    while left:
        # Idle and absolute are one, so that no script can move the expiry.
        session = await login(store, idle_ms=SHORT, absolute_ms=SHORT)
        answers = set()
        while b"EXPIRED" not in answers:
            reply = await inside.run(call.script, base, *call.before, session.id, *call.after)
            status, now = reply[0], reply[1]
            assert status == (call.alive if now < session.expire_ms else b"EXPIRED")
            answers.add(status)
        # On a busy machine the first answer may come too late to show anything.
        left -= call.alive in answers


LINES = """
return {
  state_of({ expiry = now + 1 }), state_of({ expiry = now }), state_of({ expiry = now - 1 }),
  tostring(is_dead({ expiry = now + 1 })), tostring(is_dead({ expiry = now })), tostring(is_dead()),
}
"""


async def test_states_and_the_cap_draw_the_line_at_the_same_millisecond(inside: Inside) -> None:
    """A session whose expiry is now has expired, and no longer counts."""
    lua = resources.files("sessiond.store") / "lua" / "lib"
    parts = [(lua / f"{name}.lua").read_text("utf-8") for name in ("clock", "hash", "ending")]
    source = "\n".join([LUA_KEYS, *parts, LINES])
    reply = await inside.ask("EVAL", source, 1, inside.keys.of_user(ALICE), *ENDING)
    assert reply == [b"ACTIVE", b"EXPIRED", b"EXPIRED", b"false", b"true", b"true"]


async def test_a_list_sees_the_expiry_at_the_same_millisecond(store: Store, inside: Inside) -> None:
    """Listed as active exactly while now < expiry."""
    session = await login(store, idle_ms=SHORT)
    base, listed = inside.keys.of_user(ALICE), True
    while listed:
        now, _, page = await inside.run("list", base, ALICE, 10, "ACTIVE", "", 0, "")
        listed = bool(page)
        assert listed == (now < session.expire_ms)


async def test_the_reaper_is_called_at_the_expiry_and_not_before(
    store: Store, inside: Inside
) -> None:
    """The user is due when the first session has expired, in the engine's time."""
    session = await login(store, idle_ms=SHORT)
    due = False
    while not due:
        before = await inside.now_ms()
        due = ALICE in (await store.sweep(partition_of(ALICE), 10)).due
        after = await inside.now_ms()
        assert due or before < session.expire_ms
        assert not due or after >= session.expire_ms
    assert (await store.prune_user(ALICE)).dead == 1
    await walk(store, inside)


@pytest.mark.parametrize(
    ("idle_ms", "absolute_ms", "reason"),
    [(SHORT, DAY, EndReason.IDLE), (DAY, SHORT, EndReason.ABSOLUTE)],
)
async def test_an_expired_session_says_so_with_reason_and_time(
    store: Store, inside: Inside, idle_ms: int, absolute_ms: int, reason: EndReason
) -> None:
    """It expired at its expiry, whenever it is asked, for an hour."""
    session = await login(store, idle_ms=idle_ms, absolute_ms=absolute_ms)
    assert await inside.expires_ms(session.id) == session.expire_ms + REMEMBERED

    async def is_expired() -> bool:
        found = await store.get(session.id)
        return found is not None and found.session.state is State.EXPIRED

    await until(is_expired)
    await store.prune_user(ALICE)
    await inside.let_pass(REMEMBERED - MINUTE)
    found = await store.validate(session.id, 0)
    assert found is not None
    assert (found.session.state, found.session.end_reason) == (State.EXPIRED, reason)
    assert found.session.end_ms == session.expire_ms - (REMEMBERED - MINUTE)
    await walk(store, inside)
    await inside.let_pass(MINUTE)
    assert await store.validate(session.id, 0) is None


async def test_the_last_session_of_a_user_leaves_no_trace_but_counts(
    store: Store, inside: Inside
) -> None:
    """After a real expiry and a visit, the user is in no index."""
    for profile_idle in (SHORT, 2 * SHORT):
        await login(store, idle_ms=profile_idle)

    async def all_dropped() -> bool:
        await store.prune_user(ALICE)
        return (await inside.counts(ALICE))["live"] == 0

    await until(all_dropped)
    assert await inside.counts(ALICE) == {"created": 2, "live": 0, "e:9": 2}
    assert await inside.scores(ALICE, "users") == {}
    await walk(store, inside)


async def test_a_refresh_saves_a_session_from_its_old_expiry(store: Store, inside: Inside) -> None:
    """The visit that was due at the old expiry finds nothing dead and comes back later."""
    session = await login(store, idle_ms=HOUR)
    await inside.let_pass(HOUR - MINUTE)
    answer = await refresh(store, session)
    await inside.let_pass(MINUTE)
    assert (await store.sweep(partition_of(ALICE), 10)).due == (ALICE,)
    pruned = await store.prune_user(ALICE)
    assert (pruned.dead, pruned.next_visit_ms) == (0, answer.session.expire_ms - MINUTE)
    assert (await store.sweep(partition_of(ALICE), 10)).due == ()
    await walk(store, inside)
