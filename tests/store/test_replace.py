"""Sessions that a create replaces: the one it names, or the one of the same device."""

from __future__ import annotations

import pytest

from sessiond.domain.errors import SessionUserMismatchError
from sessiond.domain.session import Client, EndReason, State
from sessiond.store.scripts import Store
from tests.store.inside import Inside
from tests.store.kit import (
    ALICE,
    HOUR,
    KIOSK,
    MOBILE,
    create,
    login,
    neighbour_of,
    stranger_to,
)
from tests.store.walk import walk

LAPTOP = Client(device_id="laptop")


async def test_the_named_session_is_replaced(store: Store, inside: Inside) -> None:
    """It ends with REPLACED and is named in the answer; the others stay."""
    first, second = await login(store), await login(store)
    made = await create(store, replaces_session_id=first.id)
    assert [(s.id, s.end_reason) for s in made.evicted] == [(first.id, EndReason.REPLACED)]
    staying = await store.get(second.id)
    assert staying is not None
    assert staying.session.state is State.ACTIVE
    await walk(store, inside)


async def test_the_named_session_may_be_of_another_profile(store: Store, inside: Inside) -> None:
    """It is the same user's, so it makes room."""
    phone = await login(store, profile=MOBILE)
    made = await create(store, replaces_session_id=phone.id)
    assert [(s.id, s.end_reason) for s in made.evicted] == [(phone.id, EndReason.REPLACED)]
    await walk(store, inside)


async def test_the_replaced_session_makes_room_at_the_cap(store: Store, inside: Inside) -> None:
    """Nobody else is evicted, and a rejecting profile lets the create in."""
    web = [await login(store) for _ in range(10)]
    made = await create(store, replaces_session_id=web[5].id)
    assert [s.id for s in made.evicted] == [web[5].id]
    kiosk = [await login(store, profile=KIOSK) for _ in range(2)]
    made = await create(store, profile=KIOSK, replaces_session_id=kiosk[1].id)
    assert [s.id for s in made.evicted] == [kiosk[1].id]
    await walk(store, inside)


@pytest.mark.parametrize("other_user", [neighbour_of(ALICE), stranger_to(ALICE)])
async def test_another_users_session_is_refused_and_nothing_changes(
    store: Store, inside: Inside, other_user: str
) -> None:
    """Whether or not it lives in the same partition."""
    theirs = await login(store, other_user)
    before = await inside.snapshot()
    with pytest.raises(SessionUserMismatchError) as refused:
        await create(store, replaces_session_id=theirs.id)
    assert refused.value.metadata == {"session_id": theirs.id}
    assert await inside.snapshot() == before


async def test_a_session_that_is_over_is_not_replaced_again(store: Store, inside: Inside) -> None:
    """Ended, expired or unknown: the create goes on, and their reasons stay."""
    ended, expired = await login(store), await login(store, idle_ms=HOUR)
    await store.revoke(ended.id, EndReason.LOGOUT, "app")
    await inside.let_pass(HOUR)
    unknown = ended.id[:-4] + "AAAA"
    for replaced in (ended.id, expired.id, unknown):
        assert (await create(store, replaces_session_id=replaced)).evicted == ()
    found = await store.get(ended.id)
    assert found is not None
    assert found.session.end_reason is EndReason.LOGOUT
    counts = await inside.counts(ALICE)
    assert (counts["e:1"], counts["e:9"], "e:6" in counts) == (1, 1, False)
    await walk(store, inside)


async def test_a_device_has_one_session(store: Store, inside: Inside) -> None:
    """The same device id replaces; another, or none, does not."""
    laptop = await login(store, client=LAPTOP)
    phone = await login(store, client=Client(device_id="phone"))
    none = await login(store)
    made = await create(store, client=LAPTOP)
    assert [(s.id, s.end_reason) for s in made.evicted] == [(laptop.id, EndReason.REPLACED)]
    assert (await create(store)).evicted == ()
    for staying in (phone, none):
        found = await store.get(staying.id)
        assert found is not None
        assert found.session.state is State.ACTIVE
    await walk(store, inside)


async def test_a_device_of_another_user_is_another_device(store: Store, inside: Inside) -> None:
    """Device ids are the user's own."""
    await login(store, neighbour_of(ALICE), client=LAPTOP)
    assert (await create(store, client=LAPTOP)).evicted == ()
    await walk(store, inside)


async def test_the_device_and_the_named_session_are_both_replaced(
    store: Store, inside: Inside
) -> None:
    """Each once, even where they are one."""
    laptop, other = await login(store, client=LAPTOP), await login(store)
    made = await create(store, client=LAPTOP, replaces_session_id=other.id)
    assert {s.id for s in made.evicted} == {laptop.id, other.id}
    again = await create(store, client=LAPTOP, replaces_session_id=made.session.id)
    assert [s.id for s in again.evicted] == [made.session.id]
    await walk(store, inside)


async def test_an_expired_session_of_the_device_counts_as_expired(
    store: Store, inside: Inside
) -> None:
    """It is not said to be replaced."""
    await login(store, client=LAPTOP, idle_ms=HOUR)
    await inside.let_pass(HOUR)
    assert (await create(store, client=LAPTOP)).evicted == ()
    assert (await inside.counts(ALICE))["e:9"] == 1
    await walk(store, inside)


async def test_a_device_has_one_session_whatever_the_profile(store: Store, inside: Inside) -> None:
    """The one of another profile is replaced, and only that of the device."""
    other = await login(store, profile=MOBILE, client=LAPTOP)
    staying = await login(store, profile=MOBILE)
    made = await create(store, client=LAPTOP)
    assert [(s.id, s.end_reason) for s in made.evicted] == [(other.id, EndReason.REPLACED)]
    found = await store.get(staying.id)
    assert found is not None
    assert found.session.state is State.ACTIVE
    await walk(store, inside)
