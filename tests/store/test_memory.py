"""A store at its memory limit: nobody comes in, everybody can go out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sessiond.domain.errors import RefreshTokenReusedError, StoreFullError
from sessiond.domain.session import Client, EndReason, Outcome, State
from sessiond.store.replies import Request
from sessiond.store.scripts import Store
from tests.engines import Engine
from tests.store.inside import Inside, partition_of
from tests.store.kit import (
    ALICE,
    MINUTE,
    NOBODY,
    all_pages,
    as_request,
    create,
    login,
    refresh,
)
from tests.store.walk import walk


class Memory:
    """The engine's memory limit, which a test may reach."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    async def fill(self) -> None:
        """Every byte from now on is over the limit."""
        await self._inside.everywhere("CONFIG", "SET", "maxmemory", "1")

    async def free(self) -> None:
        """There is no limit again."""
        await self._inside.everywhere("CONFIG", "SET", "maxmemory", "0")


@pytest.fixture
async def memory(engine: Engine, inside: Inside) -> AsyncIterator[Memory]:
    """The limit of a real engine; fakeredis has none."""
    if engine.name == "fakeredis":
        pytest.skip("fakeredis has no memory limit")
    memory = Memory(inside)
    yield memory
    await memory.free()


async def test_create_is_refused_and_writes_nothing(
    store: Store, inside: Inside, memory: Memory
) -> None:
    """Not even with room to make: whoever would have been evicted stays."""
    for _ in range(10):
        await login(store)
    before = await inside.snapshot()
    await memory.fill()
    for request in (Request(), as_request("key")):
        with pytest.raises(StoreFullError):
            await create(store, request=request)
    assert await inside.snapshot() == before
    await memory.free()
    assert not (await create(store, request=as_request("key"))).replayed
    await walk(store, inside)


async def test_update_is_refused_and_writes_nothing(
    store: Store, inside: Inside, memory: Memory
) -> None:
    """Attributes take memory too."""
    session = await login(store, attributes={"a": "1"})
    before = await inside.snapshot()
    await memory.fill()
    with pytest.raises(StoreFullError):
        await store.update(session.id, {"b": "2"}, remove=["a"], replace_all=False)
    assert await inside.snapshot() == before


async def test_revoke_works(store: Store, inside: Inside, memory: Memory) -> None:
    """A logout is never refused; one that was made up of many neither."""
    made = [await login(store) for _ in range(3)]
    await memory.fill()
    answer = await store.revoke(made[0].id, EndReason.LOGOUT, "app")
    assert answer is not None
    assert answer.by_this_call
    request = as_request("key")
    assert len(await store.revoke_user(ALICE, EndReason.REVOKED, "app", request)) == 2
    assert len(await store.revoke_user(ALICE, EndReason.REVOKED, "app", request)) == 2
    await memory.free()
    assert {s.state for s in await all_pages(store)} == {State.ENDED}
    await walk(store, inside)


async def test_refresh_extend_and_validate_work(
    store: Store, inside: Inside, memory: Memory
) -> None:
    """Whoever is in stays in, and a stolen token still ends its session."""
    session = await login(store, client=Client("UA"))
    await memory.fill()
    assert (await refresh(store, session, grace_ms=0)).outcome is Outcome.ROTATED
    assert (await refresh(store, session, generation=1)).outcome is Outcome.REPLAYED
    await store.extend(session.id, NOBODY)
    found = await store.validate(session.id, 0)
    assert found is not None
    assert found.session.state is State.ACTIVE
    with pytest.raises(RefreshTokenReusedError):
        await refresh(store, session, generation=1, grace_ms=0)
    assert await store.get(session.id) is not None
    assert len(await all_pages(store)) == 1
    await memory.free()
    await walk(store, inside)


async def test_the_reaper_works(store: Store, inside: Inside, memory: Memory) -> None:
    """It is what makes room."""
    await login(store, idle_ms=MINUTE)
    await inside.let_pass(MINUTE)
    await memory.fill()
    assert (await store.sweep(partition_of(ALICE), 10)).due == (ALICE,)
    assert (await store.prune_user(ALICE)).dead == 1
    await memory.free()
    await walk(store, inside)


async def test_a_revoke_works_even_where_the_script_must_be_loaded_first(
    store: Store, inside: Inside, memory: Memory
) -> None:
    """An engine that restarted into a full memory knows no scripts."""
    session = await login(store)
    await memory.fill()
    await inside.everywhere("SCRIPT", "FLUSH")
    answer = await store.revoke(session.id, EndReason.LOGOUT, "app")
    assert answer is not None
    assert answer.by_this_call
