"""One connection for all: who gets which reply."""

from __future__ import annotations

import asyncio
import random

import pytest
from redis.asyncio import ConnectionPool
from redis.exceptions import ResponseError

from sessiond.domain.errors import (
    OverloadedError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from sessiond.store.link import LinkLimits
from sessiond.store.multiplexer import Multiplexer
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.engines import Engine
from tests.store.counting import Counting
from tests.store.inside import Inside, node_link, open_store, until
from tests.store.kit import ALICE, NOBODY, create, login, refresh
from tests.store.scripted import OK, scripted
from tests.store.walk import walk

pytestmark = pytest.mark.one_node


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
        link = node_link(engine.url, LinkLimits())
        first = link.send("FIRST")
        await engine.until_asked(1)
        second = link.send("SECOND")
        await engine.until_asked(2)
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
    link = node_link(engine.url, LinkLimits())
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
        left = [a for a in answers if isinstance(a, asyncio.CancelledError)]
        assert answers.count(True) + len(left) == len(answers)
        assert left
        assert answers.count(True) > len(answers) // 2
    await link.close()


async def test_a_reply_in_pieces_is_put_together() -> None:
    """Read byte by byte."""
    replies = {b"ONE": b"$3\r\nabc\r\n", b"TWO": b"*1\r\n:7\r\n"}
    async with scripted(lambda command: replies[command[0]]) as engine:
        pool = ConnectionPool.from_url(engine.url, socket_read_size=1, protocol=2)
        link = Multiplexer(pool.make_connection, LinkLimits())
        one, two = link.send("ONE"), link.send("TWO")
        assert (await one, await two) == (b"abc", [7])
        await link.close()


async def test_commands_in_flight_are_bounded() -> None:
    """One more is refused without being sent; there is room again when a reply has come."""
    async with scripted(lambda _: b"") as engine:
        link = node_link(engine.url, LinkLimits(in_flight=10))
        calls = [link.send(f"C{i}") for i in range(10)]
        with pytest.raises(OverloadedError):
            await link.send("ELEVENTH")
        calls[0].cancel()
        with pytest.raises(OverloadedError):
            await link.send("ELEVENTH")  # a caller that has gone still waits for its reply
        await engine.until_asked(10)
        engine.say(OK)
        later = await _accepted(link, "LATER")
        await engine.until_asked(11)
        assert [command[0] for command in engine.asked[9:]] == [b"C9", b"LATER"]
        engine.say(OK * 10)
        assert set(await asyncio.gather(*calls[1:], later)) == {b"OK"}
        await link.close()


async def test_closing_waits_for_what_was_sent(engine: Engine, prefix: str, inside: Inside) -> None:
    """A call in flight gets its answer."""
    store, opened = open_store(engine, prefix)
    task = asyncio.create_task(create(store))
    await asyncio.sleep(0)
    await opened.runner.close()
    assert (await task).session.user_id == ALICE


async def test_a_closed_link_takes_no_more(engine: Engine) -> None:
    """Nothing would end the connection that it made."""
    link = node_link(engine.url, LinkLimits())
    assert await link.send("ECHO", "a") == b"a"
    await link.close()
    with pytest.raises(StoreUnavailableError):
        await link.send("ECHO", "b")


async def _accepted(link: Multiplexer, command: str) -> asyncio.Future[bytes]:
    """The reply to a command, once there is room for it."""
    async with asyncio.timeout(5):
        while (reply := link.send(command)).done():
            assert isinstance(reply.exception(), OverloadedError)
            await asyncio.sleep(0)
        return reply
