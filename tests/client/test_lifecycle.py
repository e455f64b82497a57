"""Opening, closing and sharing a client: threads and event loops. Forks: test_fork.py."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sessionstore import AsyncSessionClient, SessionClient
from tests.client.conftest import TOKEN, Sessions
from tests.client.fake_service import FakeService, stuck


async def test_a_client_connects_with_its_first_call(connect: Callable[..., Sessions]) -> None:
    sessions = connect("127.0.0.1:1", token=TOKEN)

    await sessions.close()


async def test_a_closed_client_says_so(service: FakeService, sessions: Sessions) -> None:
    await sessions.get("s1")
    await sessions.close()

    for _ in range(2):
        with pytest.raises(RuntimeError, match="closed"):
            await sessions.get("s1")
    with pytest.raises(RuntimeError, match="closed"):
        await sessions.list("alice")
    await sessions.close()


def test_with_closes(service: FakeService) -> None:
    with SessionClient(service.address, token=TOKEN) as sessions:
        sessions.get("s1")
    with pytest.raises(RuntimeError, match="closed"):
        sessions.get("s1")


async def test_async_with_closes(service: FakeService) -> None:
    async with AsyncSessionClient(service.address, token=TOKEN) as sessions:
        await sessions.get("s1")
    with pytest.raises(RuntimeError, match="closed"):
        await sessions.get("s1")


def test_closing_ends_the_calls_of_other_threads(service: FakeService) -> None:
    arrived = threading.Event()

    def slow(request: Any, context: Any) -> None:
        arrived.set()
        stuck(request, context)

    service.answer("GetSession", slow)
    sessions = SessionClient(service.address, token=TOKEN, timeout=30)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(sessions.get, "s1")
        arrived.wait(20)
        sessions.close()
        with pytest.raises(RuntimeError, match="closed"):
            call.result(20)


def test_threads_share_one_connection(service: FakeService) -> None:
    together = threading.Barrier(8)

    def call(sessions: SessionClient) -> None:
        together.wait(20)
        for number in range(10):
            sessions.get(f"s{number}")

    sessions = SessionClient(service.address, token=TOKEN, timeout=30)
    with sessions, ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(call, sessions) for _ in range(8)]:
            done.result()

    assert len(service.received["GetSession"]) == 80
    assert len({received.peer for received in service.received["GetSession"]}) == 1


def test_an_async_client_lives_on_in_the_next_event_loop(service: FakeService) -> None:
    sessions = AsyncSessionClient(service.address, token=TOKEN)

    for _ in range(3):
        asyncio.run(get(sessions))
    asyncio.run(sessions.close())
    gc.collect()

    assert len(service.received["GetSession"]) == 3


def test_an_async_client_may_be_closed_in_the_next_event_loop(service: FakeService) -> None:
    sessions = AsyncSessionClient(service.address, token=TOKEN)

    asyncio.run(get(sessions))
    asyncio.run(sessions.close())

    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(get(sessions))


async def test_an_async_client_refuses_a_loop_beside_its_own(service: FakeService) -> None:
    async with AsyncSessionClient(service.address, token=TOKEN) as sessions:
        await sessions.get("s1")
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, get(sessions))
        await sessions.get("s1")


async def test_many_calls_of_one_loop_share_one_connection(service: FakeService) -> None:
    async with AsyncSessionClient(service.address, token=TOKEN, timeout=30) as sessions:
        await asyncio.gather(*(sessions.get(f"s{number}") for number in range(50)))

    assert len({received.peer for received in service.received["GetSession"]}) == 1


async def test_a_cancelled_call_is_cancelled(service: FakeService) -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(request: Any, context: Any) -> None:
        loop.call_soon_threadsafe(arrived.set)
        stuck(request, context)

    service.answer("GetSession", slow)
    async with AsyncSessionClient(service.address, token=TOKEN, timeout=30) as sessions:
        call = asyncio.create_task(sessions.get("s1"))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert len(service.received["GetSession"]) == 1  # and not tried again


async def get(sessions: AsyncSessionClient) -> None:
    await sessions.get("s1")
