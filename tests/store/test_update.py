"""Update: a session's attributes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessiond.domain.errors import (
    EtagMismatchError,
    InvalidFieldError,
    SessionEndedError,
    SessionExpiredError,
    SessionNotFoundError,
)
from sessiond.domain.session import EndReason, Session
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.store.inside import Inside
from tests.store.kit import HOUR, MINUTE, login
from tests.store.walk import walk

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=15)
HARD = st.sampled_from(["\x00", '"', "'", "\r\n", "🦊", "e\u0301", "u", "x", ".", "..", " ", "\\0"])
ATTRIBUTES = st.dictionaries(TEXT | HARD, TEXT | HARD | st.just(""), max_size=5)


async def test_single_keys_are_set_and_removed(store: Store, inside: Inside) -> None:
    """The keys not named stay as they are."""
    session = await login(store, attributes={"a": "1", "b": "2", "c": "3"})
    answer = await store.update(session.id, {"b": "two", "d": "4"}, remove=["c"], replace_all=False)
    assert answer.session.attributes == {"a": "1", "b": "two", "d": "4"}
    found = await store.get(session.id)
    assert found is not None
    assert found.session == answer.session
    await walk(store, inside)


async def test_all_attributes_are_replaced(store: Store) -> None:
    """What is not named goes; replacing by nothing clears."""
    session = await login(store, attributes={"a": "1", "b": "2"})
    answer = await store.update(session.id, {"b": "two"}, replace_all=True)
    assert answer.session.attributes == {"b": "two"}
    answer = await store.update(session.id, {}, replace_all=True)
    assert answer.session.attributes == {}


@settings(
    max_examples=rounds(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(old=ATTRIBUTES, new=ATTRIBUTES, removed=st.sets(TEXT | HARD, max_size=3))
async def test_any_text_is_kept_intact(
    store: Store, old: dict[str, str], new: dict[str, str], removed: set[str]
) -> None:
    """NUL, quotes, newlines, emoji, and names that look like our own fields."""
    session = await login(store, attributes=old)
    gone = removed - set(new)
    answer = await store.update(session.id, new, remove=sorted(gone), replace_all=False)
    merged = {k: v for k, v in {**old, **new}.items() if k not in gone}
    assert answer.session.attributes == merged
    found = await store.get(session.id)
    assert found is not None
    assert found.session.attributes == merged
    assert found.session.user_id == session.user_id


async def test_only_an_update_moves_the_etag(store: Store, inside: Inside) -> None:
    """A refresh or a validate does not."""
    session = await login(store)
    await store.extend(session.id, session.client)
    await store.validate(session.id, 0)
    first = await store.update(session.id, {"a": "1"}, replace_all=False, etag="0")
    second = await store.update(session.id, {"a": "2"}, replace_all=False, etag="1")
    assert (first.session.version, second.session.version) == (1, 2)


async def test_a_stale_etag_is_refused_and_changes_nothing(store: Store, inside: Inside) -> None:
    """The answer names the etag of now."""
    session = await login(store)
    await store.update(session.id, {"a": "1"}, replace_all=False)
    before = await inside.snapshot()
    with pytest.raises(EtagMismatchError) as refused:
        await store.update(session.id, {"a": "2"}, replace_all=False, etag="0")
    assert refused.value.metadata == {"session_id": session.id, "etag": "1"}
    assert await inside.snapshot() == before


@pytest.mark.parametrize("replace_all", [True, False], ids=["all", "some"])
async def test_the_retry_of_an_update_is_answered_like_its_first_try(
    store: Store, inside: Inside, replace_all: bool
) -> None:
    """By the mark of its request; nothing is written."""
    session = await login(store, attributes={"a": "1", "b": "2"})
    await store.update(session.id, {"b": "3"}, replace_all=False)

    async def update() -> Session:
        answer = await store.update(
            session.id, {"a": "4"}, remove=["b"], replace_all=replace_all, etag="1", mark="mine"
        )
        return answer.session

    first = await update()
    before = await inside.snapshot()
    assert await update() == first
    assert (first.version, first.attributes) == (2, {"a": "4"})
    assert await inside.snapshot() == before


@pytest.mark.parametrize("mark", ["", "other"])
async def test_of_two_that_want_the_same_one_is_refused(
    store: Store, inside: Inside, mark: str
) -> None:
    """Each would take it for its own doing."""
    session = await login(store)
    wish = {"claimed_by": "a worker"}
    await store.update(session.id, wish, replace_all=False, etag="0", mark="mine" if mark else "")
    before = await inside.snapshot()
    with pytest.raises(EtagMismatchError):
        await store.update(session.id, wish, replace_all=False, etag="0", mark=mark)
    assert await inside.snapshot() == before


async def test_another_wish_under_the_same_mark_is_refused(store: Store) -> None:
    """A caller may give one id to all that it does for a request of its own."""
    session = await login(store)
    await store.update(session.id, {"a": "1"}, replace_all=False, etag="0", mark="mine")
    with pytest.raises(EtagMismatchError):
        await store.update(session.id, {"a": "2"}, replace_all=False, etag="0", mark="mine")


@pytest.mark.parametrize("others", [{"a": "5"}, {"c": ""}, {"a": "4"}])
@pytest.mark.parametrize("etag", ["", "1"])
async def test_the_retry_of_an_update_over_which_another_came_is_refused(
    store: Store, inside: Inside, others: dict[str, str], etag: str
) -> None:
    """Whatever the other one has changed, be it nothing."""
    session = await login(store, attributes={"a": "1"})
    await store.update(session.id, {"a": "4"}, replace_all=True, etag="0", mark="mine")
    await store.update(session.id, others, replace_all=False, etag=etag, mark="other")
    before = await inside.snapshot()
    with pytest.raises(EtagMismatchError):
        await store.update(session.id, {"a": "4"}, replace_all=True, etag="0", mark="mine")
    assert await inside.snapshot() == before


@pytest.mark.parametrize("etag", ["-1", "1", "00", "0x0", "nan"])
async def test_an_etag_that_was_never_given_is_refused(store: Store, etag: str) -> None:
    """Also if there would be nothing to change."""
    session = await login(store, attributes={"a": "1"})
    with pytest.raises(EtagMismatchError):
        await store.update(session.id, {"a": "1"}, replace_all=False, etag=etag, mark="mine")


async def test_an_update_over_the_limits_is_refused_whole(store: Store, inside: Inside) -> None:
    """480 bytes over keys and values together, and 32 entries, once merged."""
    session = await login(store, attributes={"a": "x" * 400, "bb": "y" * 40})
    before = await inside.snapshot()
    for changes in ({"c": "é" * 19}, {f"k{i}": "" for i in range(31)}):
        with pytest.raises(InvalidFieldError) as refused:
            await store.update(session.id, changes, replace_all=False)
        assert [v.field for v in refused.value.violations] == ["attributes"]
    assert await inside.snapshot() == before


async def test_an_update_to_the_very_limits_is_taken(store: Store) -> None:
    """480 bytes and 32 entries are allowed; what is removed or replaced no longer counts."""
    session = await login(store, attributes={"a": "x" * 400, "b": "y" * 70})
    answer = await store.update(session.id, {"cc": "é" * 3}, replace_all=False)
    assert len(answer.session.attributes) == 3
    full = {f"{i:02d}": "z" * 13 for i in range(32)}
    answer = await store.update(session.id, full, remove=["a", "b", "cc"], replace_all=False)
    assert answer.session.attributes == full
    answer = await store.update(session.id, {"k": "v" * 479}, replace_all=True)
    assert answer.session.attributes == {"k": "v" * 479}


async def test_an_update_neither_extends_nor_counts(store: Store, inside: Inside) -> None:
    """Only the session's hash changes, and its TTL stays."""
    session = await login(store)
    before = await inside.snapshot()
    await store.update(session.id, {"a": "1"}, replace_all=False)
    after = await inside.snapshot()
    key = inside.key(session.id)
    assert after[key][1] == before[key][1]
    assert {k: v for k, v in after.items() if k != key} == {
        k: v for k, v in before.items() if k != key
    }


async def test_a_session_that_is_over_is_not_updated(store: Store, inside: Inside) -> None:
    """Ended, expired, forgotten."""
    ended, expired = await login(store), await login(store, idle_ms=MINUTE)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await inside.let_pass(MINUTE)
    before = await inside.snapshot()
    with pytest.raises(SessionEndedError):
        await store.update(ended.id, {"a": "1"}, replace_all=False)
    with pytest.raises(SessionExpiredError):
        await store.update(expired.id, {"a": "1"}, replace_all=False)
    assert await inside.snapshot() == before
    await inside.let_pass(HOUR)
    with pytest.raises(SessionNotFoundError):
        await store.update(expired.id, {"a": "1"}, replace_all=False)
