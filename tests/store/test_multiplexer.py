"""One connection for all: who gets which reply, and what happens when it breaks or hangs."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from sessiond.domain.errors import (
    OverloadedError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from sessiond.domain.session import EndReason
from sessiond.store.connect import connections, open_link
from sessiond.store.engine_errors import ConnectionLostError
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits
from sessiond.store.multiplexer import Multiplexer
from sessiond.store.runner import ScriptRunner
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.engines import Engine
from tests.rpc.engines import hung
from tests.store.inside import Inside, open_store, until
from tests.store.kit import ALICE, ENDS, NOBODY, create, login, refresh
from tests.store.scripted import OK, Scripted, scripted
from tests.store.walk import walk

QUICK = LinkLimits(connect_s=0.2, read_s=0.2)
SOON_S = 5.0


class Counting:
    """Makes connections, and counts them and what is written to them."""

    def __init__(self, url: str) -> None:
        self._pool = connections(url, LinkLimits())
        self.made = 0
        self.writes = 0
        self.refusal: Exception | None = None

    def __call__(self) -> AbstractConnection:
        self.made += 1
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        send = connection.send_packed_command

        async def counted(command: Any, check_health: bool = True) -> None:
            # The handshake asks for the connection's health, the multiplexer never does.
            self.writes += not check_health
            if self.refusal:
                raise self.refusal
            await send(command, check_health)

        connection.send_packed_command = counted  # type: ignore[method-assign]
        return connection


@pytest.fixture
async def counting(engine: Engine) -> AsyncIterator[tuple[Multiplexer, Counting]]:
    """A link over connections that count."""
    made = Counting(engine.url)
    link = Multiplexer(made, LinkLimits())
    yield link, made
    await link.close()


async def test_commands_of_one_tick_are_one_write(
    counting: tuple[Multiplexer, Counting],
) -> None:
    """And each caller gets the reply to its own."""
    link, made = counting
    words = [f"word {i}" for i in range(200)]
    replies = await asyncio.gather(*(link.send("ECHO", word) for word in words))
    assert [reply.decode() for reply in replies] == words
    assert (made.made, made.writes) == (1, 1)


async def test_commands_of_two_ticks_are_two_writes(
    counting: tuple[Multiplexer, Counting],
) -> None:
    """Nothing waits for more to come."""
    link, made = counting
    for _ in range(2):
        await link.send("PING")
    assert (made.made, made.writes) == (1, 2)


async def test_a_command_does_not_wait_for_the_replies_to_those_before() -> None:
    """The engine has said nothing yet, and is asked again."""
    async with scripted(lambda _: b"") as engine:
        link = open_link(engine.url, LinkLimits())
        first = link.send("FIRST")
        await until(lambda: _asked(engine, 1))
        second = link.send("SECOND")
        await until(lambda: _asked(engine, 2))
        engine.say(b"+1\r\n+2\r\n")
        assert [await first, await second] == [b"1", b"2"]
        await link.close()


async def test_one_refused_command_does_not_harm_its_neighbours(
    counting: tuple[Multiplexer, Counting], engine: Engine
) -> None:
    """Only its own caller learns of it."""
    if engine.name == "fakeredis":
        pytest.skip("fakeredis hangs up at any error reply")
    link, made = counting
    answers = await asyncio.gather(
        link.send("ECHO", "a"), link.send("HGETALL"), link.send("ECHO", "b"), return_exceptions=True
    )
    assert (answers[0], answers[2]) == (b"a", b"b")
    assert isinstance(answers[1], ResponseError)
    assert made.made == 1


async def test_text_without_utf8_is_refused_before_it_is_sent(
    counting: tuple[Multiplexer, Counting],
) -> None:
    """The commands beside it are served."""
    link, _ = counting
    before = link.send("ECHO", "a")
    with pytest.raises(UnicodeEncodeError):
        link.send("ECHO", "\ud800")
    assert [await before, await link.send("ECHO", "b")] == [b"a", b"b"]


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
    """Nobody gets another's reply."""
    store, opened = open_store(engine, prefix)
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
    await walk(store, opened)
    await opened.runner.close()


async def test_callers_who_leave_at_random_never_get_each_others_replies(engine: Engine) -> None:
    """Many at once, a third of them cancelled somewhere on the way."""
    link = open_link(engine.url, LinkLimits())
    chances = random.Random(0)

    async def ask(word: str) -> bool:
        return bool((await link.send("ECHO", word)).decode() == word)

    for number in range(rounds(20)):
        tasks = [asyncio.create_task(ask(f"{number} {i}")) for i in range(100)]
        for task in tasks:
            if chances.random() < 0.3:
                await asyncio.sleep(0)
                task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert {a for a in answers if not isinstance(a, asyncio.CancelledError)} == {True}
    await link.close()


async def test_a_reply_in_pieces_is_put_together() -> None:
    """Each byte by itself."""
    async with scripted(lambda _: b"") as engine:
        link = open_link(engine.url, LinkLimits())
        calls = [link.send("ONE"), link.send("TWO")]
        await until(lambda: _asked(engine, 2))
        for byte in b"$3\r\nabc\r\n*1\r\n:7\r\n":
            engine.say(bytes([byte]))
            await asyncio.sleep(0)
        assert await asyncio.gather(*calls) == [b"abc", [7]]
        await link.close()


async def test_a_reply_that_nobody_asked_for_ends_the_connection() -> None:
    """Were it kept, each caller after it would get the reply of the one before."""
    async with scripted(lambda command: b"+" + command[0] + b"\r\n") as engine:
        link = open_link(engine.url, LinkLimits())
        assert await link.send("FIRST") == b"FIRST"
        engine.say(b"+STRAY\r\n")
        await until(lambda: _closed(engine))
        assert await link.send("SECOND") == b"SECOND"
        assert len(engine.connections) == 2
        await link.close()


async def test_a_broken_connection_fails_what_is_in_flight_at_once_and_heals() -> None:
    """No caller waits for a timeout, and the next command connects again."""
    async with scripted(lambda c: b"" if c[0] == b"LOST" else OK) as engine:
        link = open_link(engine.url, LinkLimits(read_s=60))
        lost = [link.send("LOST") for _ in range(100)]
        await until(lambda: _asked(engine, 100))
        engine.connections[-1].transport.abort()
        async with asyncio.timeout(SOON_S):
            answers = await asyncio.gather(*lost, return_exceptions=True)
            assert {type(answer) for answer in answers} == {ConnectionLostError}
            assert await link.send("AGAIN") == b"OK"
        await link.close()


async def test_a_connection_that_cannot_be_written_to_is_lost(
    counting: tuple[Multiplexer, Counting],
) -> None:
    """Whatever the event loop raises: uvloop has an error of its own for a closed transport."""
    link, made = counting
    assert await link.send("ECHO", "a") == b"a"
    made.refusal = RuntimeError("the handler is closed")
    with pytest.raises(ConnectionLostError):
        await link.send("ECHO", "b")
    made.refusal = None
    assert await link.send("ECHO", "c") == b"c"


async def test_an_engine_that_is_no_longer_the_primary_is_left() -> None:
    """Its address may lead to the one that is."""
    async with scripted(
        lambda _: b"-READONLY You can't write against a read only replica.\r\n"
    ) as e:
        link = open_link(e.url, LinkLimits())
        for number in (1, 2):
            with pytest.raises(StoreUnavailableError):
                await link.send("SET", "a", "b")
            assert len(e.connections) == number
        await link.close()


async def test_commands_in_flight_are_bounded() -> None:
    """One more is refused without being sent; there is room again when a reply has come."""
    async with scripted(lambda _: b"") as engine:
        link = open_link(engine.url, LinkLimits(in_flight=10))
        calls = [link.send(f"C{i}") for i in range(10)]
        with pytest.raises(OverloadedError):
            await link.send("ELEVENTH")
        calls[0].cancel()
        with pytest.raises(OverloadedError):
            await link.send("ELEVENTH")  # a caller that has gone still waits for its reply
        await until(lambda: _asked(engine, 10))
        engine.say(OK)
        later = await _accepted(link, "LATER")
        await until(lambda: _asked(engine, 11))
        assert [command[0] for command in engine.asked[9:]] == [b"C9", b"LATER"]
        engine.say(OK * 10)
        assert set(await asyncio.gather(*calls[1:], later)) == {b"OK"}
        await link.close()


async def test_a_stuck_engine_fails_calls_in_time_and_is_back_at_once(
    engine: Engine, prefix: str
) -> None:
    """Each after its own read timeout, a cancelled one earlier, and none is read as an answer."""
    if engine.pid is None:
        pytest.skip("fakeredis has no process to stop")
    store, opened = open_store(engine, prefix, limits=LinkLimits(connect_s=0.3, read_s=0.3))
    session = await login(store)
    with hung(engine):
        for _ in range(3):
            started = time.monotonic()
            calls = [asyncio.create_task(store.get(session.id)) for _ in range(20)]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await store.get(session.id)
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(answer) for answer in answers} == {StoreUnavailableError}
            assert time.monotonic() - started < SOON_S
    async with asyncio.timeout(SOON_S):
        found = await store.get(session.id)
    assert found is not None
    assert found.session == session
    await opened.runner.close()


async def test_an_engine_that_is_slow_is_not_taken_for_stuck() -> None:
    """As long as replies come, those behind them may take longer than it may be silent."""
    async with scripted(lambda _: b"") as engine:
        link = open_link(engine.url, QUICK)
        calls = [link.send(f"C{i}") for i in range(6)]
        await until(lambda: _asked(engine, 6))
        for _ in calls:
            await asyncio.sleep(QUICK.read_s / 2)
            engine.say(OK)
        assert await asyncio.gather(*calls) == [b"OK"] * 6
        assert len(engine.connections) == 1
        await link.close()


async def test_closing_waits_for_what_was_sent(engine: Engine, prefix: str, inside: Inside) -> None:
    """A call in flight gets its answer."""
    store, opened = open_store(engine, prefix)
    task = asyncio.create_task(create(store))
    await asyncio.sleep(0)
    await opened.runner.close()
    assert (await task).session.user_id == ALICE


async def test_an_engine_out_of_reach_is_unavailable_at_once() -> None:
    """For reads, which are retried, and for writes, which are not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    await _is_unavailable(f"redis://127.0.0.1:{port}")


async def test_an_engine_that_hangs_is_unavailable_after_the_read_timeout() -> None:
    """It accepts connections and never says a word, not even to the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        await _is_unavailable(f"redis://127.0.0.1:{server.getsockname()[1]}")


async def _is_unavailable(url: str) -> None:
    runner = ScriptRunner(open_link(url, QUICK))
    store, somebody = Store(runner, Keyspace(), ENDS), "A" * 24
    async with asyncio.timeout(SOON_S):
        with pytest.raises(StoreUnavailableError):
            await create(store)
        with pytest.raises(StoreUnavailableError):
            await store.get(somebody)
        with pytest.raises(StoreUnavailableError):
            await store.revoke(somebody, EndReason.LOGOUT, "app")
        await runner.close()


async def _asked(engine: Scripted, number: int) -> bool:
    await asyncio.sleep(0)
    return len(engine.asked) >= number


async def _closed(engine: Scripted) -> bool:
    await asyncio.sleep(0)
    return engine.connections[-1].is_closing()


async def _accepted(link: Multiplexer, command: str) -> asyncio.Future[Any]:
    """The reply to a command, once there is room for it."""
    while True:
        await asyncio.sleep(0)
        reply = link.send(command)
        if not reply.done():
            return reply
        assert isinstance(reply.exception(), OverloadedError)
