"""One pipeline a tick, and what a caller who goes away leaves behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from sessiond.domain.errors import SessionNotFoundError, StoreUnavailableError
from sessiond.domain.session import EndReason
from sessiond.store.connect import ConnectionLimits, connect
from sessiond.store.keyspace import Keyspace
from sessiond.store.pipeline import TickPipeline
from sessiond.store.scripts import Store
from tests.engines import Engine
from tests.store.inside import Inside, open_store, until
from tests.store.kit import ALICE, ENDS, NOBODY, create, login, refresh
from tests.store.walk import walk

ONE = ConnectionLimits(connections=1, read_s=0.2, connect_s=0.2, pool_wait_s=0.2)
SOON_S = 5.0


class Counting(Redis):
    """A client that counts its pipelines."""

    sent = 0

    def pipeline(self, *args: Any, **options: Any) -> Any:
        self.sent += 1
        return super().pipeline(*args, **options)


@pytest.fixture
async def counting(engine: Engine) -> AsyncIterator[tuple[TickPipeline, Counting]]:
    """A pipeline over a client that counts."""
    client = Counting(connection_pool=connect(engine.url, ConnectionLimits()).connection_pool)
    pipeline = TickPipeline(client)
    yield pipeline, client
    await pipeline.close()


async def test_commands_of_one_tick_go_out_as_one_pipeline(
    counting: tuple[TickPipeline, Counting],
) -> None:
    """And each caller gets the reply to its own."""
    pipeline, client = counting
    words = [f"word {i}" for i in range(200)]
    replies = await asyncio.gather(*(pipeline.command("ECHO", word) for word in words))
    assert [reply.decode() for reply in replies] == words
    assert client.sent == 1


async def test_a_very_full_tick_goes_out_in_parts(
    counting: tuple[TickPipeline, Counting],
) -> None:
    """A thousand commands each."""
    pipeline, client = counting
    replies = await asyncio.gather(*(pipeline.command("ECHO", str(i)) for i in range(2_500)))
    assert [int(reply) for reply in replies] == list(range(2_500))
    assert client.sent == 3


async def test_commands_of_two_ticks_go_out_as_two(
    counting: tuple[TickPipeline, Counting],
) -> None:
    """Nothing waits for more to come."""
    pipeline, client = counting
    for _ in range(2):
        await pipeline.command("PING")
    assert client.sent == 2


async def test_one_refused_command_does_not_harm_its_neighbours(
    counting: tuple[TickPipeline, Counting], engine: Engine
) -> None:
    """Only its own caller learns of it."""
    if engine.name == "fakeredis":
        pytest.skip("fakeredis hangs up at any error reply")
    pipeline, _ = counting
    answers = await asyncio.gather(
        pipeline.command("ECHO", "a"),
        pipeline.command("HGETALL"),
        pipeline.command("ECHO", "b"),
        return_exceptions=True,
    )
    assert (answers[0], answers[2]) == (b"a", b"b")
    assert isinstance(answers[1], ResponseError)


async def test_one_refused_call_does_not_harm_its_neighbours(store: Store) -> None:
    """Three sessions in one tick, one of them unknown."""
    first, second = await login(store), await login(store)
    answers = await asyncio.gather(
        refresh(store, first),
        store.extend(first.id[:-4] + "AAAA", NOBODY),
        refresh(store, second),
        return_exceptions=True,
    )
    assert isinstance(answers[1], SessionNotFoundError)
    assert not [a for a in (answers[0], answers[2]) if isinstance(a, BaseException)]


async def test_a_cancelled_callers_command_is_still_done_and_its_reply_dropped(
    engine: Engine, prefix: str, inside: Inside
) -> None:
    """The one connection there is stays usable, and nobody gets another's reply."""
    store, opened = open_store(engine, prefix, limits=ONE)
    kept = await login(store)
    for _ in range(5):
        task = asyncio.create_task(create(store))
        await asyncio.sleep(0)  # let it send
        task.cancel()
        found = await store.get(kept.id)
        assert found is not None
        assert found.session.id == kept.id
        with pytest.raises(asyncio.CancelledError):
            await task

    async def all_done() -> bool:
        return (await inside.counts(ALICE))["created"] == 6

    await until(all_done)
    assert opened.redis.connection_pool.max_connections == 1
    await walk(store, opened)
    await opened.pipeline.close()


async def test_closing_waits_for_what_was_sent(engine: Engine, prefix: str, inside: Inside) -> None:
    """A call in flight gets its answer."""
    store, opened = open_store(engine, prefix)
    task = asyncio.create_task(create(store))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await opened.pipeline.close()
    assert (await task).session.user_id == ALICE


async def test_an_engine_out_of_reach_is_unavailable_at_once() -> None:
    """For reads, which are retried, and for writes, which are not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    await _is_unavailable(f"redis://127.0.0.1:{port}")


async def test_an_engine_that_hangs_is_unavailable_after_the_read_timeout() -> None:
    """It accepts connections and never says a word."""
    async with _hung() as url:
        await _is_unavailable(url)


async def _is_unavailable(url: str) -> None:
    pipeline = TickPipeline(connect(url, ONE))
    store, somebody = Store(pipeline, Keyspace(), ENDS), "A" * 24
    async with asyncio.timeout(SOON_S):
        with pytest.raises(StoreUnavailableError):
            await create(store)
        with pytest.raises(StoreUnavailableError):
            await store.get(somebody)
        with pytest.raises(StoreUnavailableError):
            await store.revoke(somebody, EndReason.LOGOUT, "app")
    await pipeline.close()


@asynccontextmanager
async def _hung() -> AsyncIterator[str]:
    """The URL of a server that never answers."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
