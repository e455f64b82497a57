"""Sessions made at the store itself, as an operator's import would: many at once, no server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from sample import Facts
from sessiond.domain.ids import new_session_id
from sessiond.domain.profile import AtCap, Profile
from sessiond.domain.session import Session
from sessiond.store.connect import open_link
from sessiond.store.embedded import EmbeddedEngine
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits
from sessiond.store.replies import EndPolicy, NewSession, Request
from sessiond.store.runner import ScriptRunner
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store

_MINUTE: Final = 60_000
_DAY: Final = 24 * 60 * _MINUTE
_AT_ONCE: Final = 64
_T = TypeVar("_T")

DEFAULT: Final = Profile("default", 7 * _DAY, 90 * _DAY, 10, AtCap.EVICT_OLDEST)
ENDS: Final = EndPolicy(
    retention_ms=30 * _DAY,
    access_ms=60 * _MINUTE,
    leeway_ms=30_000,
    log_ms=120 * _MINUTE,
    log_most=100_000,
)
NO_REQUEST: Final = Request()


@asynccontextmanager
async def open_store(engine: EmbeddedEngine) -> AsyncIterator[Store]:
    """A registered store on the engine, with the defaults of the settings."""
    runner = ScriptRunner(open_link(engine.url, LinkLimits(read_s=30.0)))
    try:
        store = Store(ScriptSet(runner, Keyspace(), ENDS))
        await store.register([DEFAULT])
        yield store
    finally:
        await runner.close()


async def create(
    store: Store, facts: Facts, *, mac_key_id: int = 1, request: Request = NO_REQUEST
) -> Session:
    """Create a session with the lifetimes of the default profile; it must end no other."""
    created = await store.create(
        NewSession(
            id=new_session_id(facts.user_id),
            user_id=facts.user_id,
            profile=DEFAULT,
            idle_ms=DEFAULT.idle_ms,
            absolute_ms=DEFAULT.absolute_ms,
            mac_key_id=mac_key_id,
            client=facts.client,
            attributes=facts.attributes,
            authentication=facts.authentication,
            audience=facts.audience,
            request=request,
        )
    )
    if created.evicted or created.replayed:
        raise AssertionError(f"a session of {facts.user_id} is not simply created")
    return created.session


async def each(items: Iterable[_T], work: Callable[[_T], Awaitable[None]]) -> None:
    """Do the work for every item, 64 at once; the items are taken as they are needed."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(worker())
