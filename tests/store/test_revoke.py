"""Revoke: one session, or all of a user's."""

from __future__ import annotations

import pytest

from sessiond.domain.errors import SessionUserMismatchError
from sessiond.domain.session import Client, Cut, EndReason, State
from sessiond.store.replies import Request
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    ENDS,
    HOUR,
    MINUTE,
    MOBILE,
    all_pages,
    login,
    neighbour_of,
    refresh,
    stranger_to,
)
from tests.store.walk import walk


async def test_a_revoked_session_says_by_whom_why_and_when(store: Store, inside: Inside) -> None:
    """And so does every later read, for as long as it is kept."""
    session = await login(store)
    answer = await store.revoke(session.id, EndReason.LOGOUT, "app")
    assert answer is not None
    assert answer.by_this_call
    ended = answer.session
    assert (ended.state, ended.end_reason, ended.ended_by) == (
        State.ENDED,
        EndReason.LOGOUT,
        "app",
    )
    assert ended.end_ms == answer.now_ms
    found = await store.get(session.id)
    assert found is not None
    assert found.session == ended
    assert await inside.expires_ms(session.id) == answer.now_ms + ENDS.retention_ms
    await walk(store, inside)


async def test_revoking_twice_is_no_error_and_changes_nothing(store: Store, inside: Inside) -> None:
    """The first reason stays."""
    session = await login(store)
    await store.revoke(session.id, EndReason.LOGOUT, "app")
    before = await inside.snapshot()
    again = await store.revoke(session.id, EndReason.REVOKED_BY_ADMIN, "ops")
    assert again is not None
    assert not again.by_this_call
    assert (again.session.end_reason, again.session.ended_by) == (EndReason.LOGOUT, "app")
    assert await inside.snapshot() == before


async def test_revoking_what_expired_or_is_unknown_changes_nothing(
    store: Store, inside: Inside
) -> None:
    """An expired session stays expired; one never seen is None."""
    session = await login(store, idle_ms=MINUTE)
    await inside.let_pass(MINUTE)
    before = await inside.snapshot()
    answer = await store.revoke(session.id, EndReason.LOGOUT, "app")
    assert answer is not None
    assert (answer.by_this_call, answer.session.state) == (False, State.EXPIRED)
    assert await store.revoke(session.id[:-4] + "AAAA", EndReason.LOGOUT, "app") is None
    assert await inside.snapshot() == before


async def test_an_ended_session_keeps_nothing_private(store: Store, inside: Inside) -> None:
    """Attributes, fingerprint and request id go; what an operator needs stays."""
    client = Client("UA", "1.1.1.1", "device", "phone", "print", Cut.USER_AGENT)
    session = await login(store, client=client, attributes={"a": "1", "u": "2"})
    await refresh(store, session, request="r1", grace_ms=0)
    answer = await store.revoke(session.id, EndReason.REVOKED, "app")
    assert answer is not None
    assert answer.session.attributes == {}
    assert answer.session.client == Client("UA", "1.1.1.1", "device", "phone", "", Cut.USER_AGENT)
    assert {"f", "q", ".a", ".u"}.isdisjoint(await inside.fields(session.id))


async def test_revoke_all_ends_every_live_session_of_every_profile(
    store: Store, inside: Inside
) -> None:
    """It names them; what was over before stays as it was."""
    old = await login(store)
    await store.revoke(old.id, EndReason.LOGOUT, "app")
    await login(store, idle_ms=MINUTE)
    await inside.let_pass(MINUTE)
    made = [await login(store), await login(store, profile=MOBILE), await login(store)]
    theirs = await login(store, neighbour_of(ALICE))
    ended = await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request())
    assert sorted(ended) == sorted(s.id for s in made)
    assert await all_pages(store, states=[State.ACTIVE]) == []
    counts = await inside.counts(ALICE)
    assert (counts["e:1"], counts["e:2"], counts["e:9"], counts["live"]) == (1, 3, 1, 1)
    found = await store.get(theirs.id)
    assert found is not None
    assert found.session.state is State.ACTIVE
    await walk(store, inside)


async def test_revoke_all_but_one_leaves_that_one(store: Store, inside: Inside) -> None:
    """Sign out everywhere else."""
    made = [await login(store) for _ in range(3)]
    ended = await store.revoke_user(
        ALICE, EndReason.REVOKED_OTHERS, "app", Request(), except_id=made[1].id
    )
    assert list(ended) == [made[0].id, made[2].id]
    assert [s.id for s in await all_pages(store, states=[State.ACTIVE])] == [made[1].id]
    await walk(store, inside)


@pytest.mark.parametrize("other_user", [neighbour_of(ALICE), stranger_to(ALICE)])
async def test_revoke_all_but_another_users_session_is_refused(
    store: Store, inside: Inside, other_user: str
) -> None:
    """It would end all of the user's sessions, the caller's own among them."""
    await login(store)
    theirs = await login(store, other_user)
    before = await inside.snapshot()
    with pytest.raises(SessionUserMismatchError):
        await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request(), except_id=theirs.id)
    assert await inside.snapshot() == before


async def test_revoke_all_of_an_unknown_user_writes_nothing(store: Store, inside: Inside) -> None:
    """There is nobody to write about."""
    assert await store.revoke_user(ALICE, EndReason.REVOKED, "app", Request()) == ()
    assert await inside.snapshot() == {}


async def test_a_revoked_session_never_comes_back(store: Store, inside: Inside) -> None:
    """Whatever is presented, in whatever order, it stays ended."""
    session = await login(store)
    await store.revoke(session.id, EndReason.LOGOUT, "app")
    await inside.let_pass(HOUR)
    found = await store.validate(session.id, 0)
    assert found is not None
    assert found.session.state is State.ENDED
    assert await inside.scores(ALICE, f"u:default:{ALICE}") == {}
    await walk(store, inside)
