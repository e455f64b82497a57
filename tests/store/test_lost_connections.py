"""A connection that breaks, hangs or is refused: who learns what, and how soon it is over."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import time

import pytest
from redis.asyncio.connection import AbstractConnection

from sessiond.domain.errors import StartupError, StoreUnavailableError
from sessiond.domain.session import EndReason
from sessiond.store.connect import connections
from sessiond.store.engine_errors import ConnectionLostError
from sessiond.store.keyspace import Keyspace
from sessiond.store.link import LinkLimits
from sessiond.store.multiplexer import Multiplexer
from sessiond.store.runner import ScriptRunner
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from tests.conftest import rounds
from tests.engines import Engine
from tests.rpc.engines import hung
from tests.store.counting import Counting
from tests.store.inside import node_link, open_store
from tests.store.kit import ENDS, MINUTE, create, login
from tests.store.scripted import OK, scripted

pytestmark = pytest.mark.one_node

QUICK = LinkLimits(connect_s=0.2, read_s=0.2)
UNHURRIED = LinkLimits(read_s=0.8)
PATIENT = LinkLimits(connect_s=60, read_s=60)
SOON_S = 5.0
SOMEBODY = "A" * 24


async def test_a_reply_that_nobody_asked_for_ends_the_connection() -> None:
    """Were it kept, each caller after it would get the reply of the one before."""
    async with scripted(lambda command: b"+" + command[0] + b"\r\n") as engine:
        link = node_link(engine.url, LinkLimits())
        assert await link.send("FIRST") == b"FIRST"
        engine.say(b"+STRAY\r\n")
        await engine.until_left()
        assert await link.send("SECOND") == b"SECOND"
        assert len(engine.connections) == 2
        await link.close()


async def test_a_broken_connection_fails_what_is_in_flight_at_once_and_heals() -> None:
    """No caller waits for a timeout, and the next command connects again."""
    async with scripted(lambda c: b"" if c[0] == b"LOST" else OK) as engine:
        link = node_link(engine.url, LinkLimits(read_s=60))
        lost = [link.send("LOST") for _ in range(100)]
        await engine.until_asked(100)
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
        link = node_link(e.url, LinkLimits())
        for number in (1, 2):
            with pytest.raises(StoreUnavailableError):
                await link.send("SET", "a", "b")
            assert len(e.connections) == number
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
        link = node_link(engine.url, UNHURRIED)
        calls = [link.send(f"C{i}") for i in range(6)]
        await engine.until_asked(6)
        for _ in calls:
            await asyncio.sleep(UNHURRIED.read_s / 4)
            engine.say(OK)
        assert await asyncio.gather(*calls) == [b"OK"] * 6
        assert len(engine.connections) == 1
        await link.close()


async def test_an_engine_out_of_reach_is_unavailable_at_once() -> None:
    """For reads, which are retried, and for writes, which are not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    await _is_unavailable(f"redis://127.0.0.1:{port}", PATIENT)


async def test_an_engine_that_hangs_is_unavailable_after_the_read_timeout() -> None:
    """It accepts connections and never says a word, not even to the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        await _is_unavailable(f"redis://127.0.0.1:{server.getsockname()[1]}", QUICK)


async def _is_unavailable(url: str, limits: LinkLimits) -> None:
    runner = ScriptRunner(node_link(url, limits))
    store = Store(ScriptSet(runner, Keyspace(), ENDS))
    async with asyncio.timeout(SOON_S):
        with pytest.raises(StoreUnavailableError):
            await create(store)
        with pytest.raises(StoreUnavailableError):
            await store.get(SOMEBODY)
        with pytest.raises(StoreUnavailableError):
            await store.revoke(SOMEBODY, EndReason.LOGOUT, "app")
        await runner.close()


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (b"-NOAUTH Authentication required.\r\n", "credentials"),
        (b"-WRONGPASS invalid username-password pair\r\n", "credentials"),
        (b"-NOPERM User app has no permissions to run 'client|setname'\r\n", "credentials"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "cannot serve now"),
        (b"-ERR max number of clients reached\r\n", "broke"),
    ],
)
async def test_an_engine_that_refuses_the_connection_is_unavailable(
    refusal: bytes, told: str
) -> None:
    """Whoever may not come in, or not yet, gets no answer for an answer."""
    async with scripted(lambda _: OK, handshake=refusal) as engine:
        link = node_link(engine.url, PATIENT)
        with pytest.raises(StoreUnavailableError, match=told):
            await link.send("GET", "a")
        assert not engine.asked
        await link.close()


async def test_a_connection_that_the_network_gave_up_on_is_no_reply() -> None:
    """The socket's own timeout; redis-py would make None of it for a caller with a timeout."""
    made: list[AbstractConnection] = []

    async with scripted(lambda _: b"") as engine:
        make = connections(engine.url, PATIENT)

        def make_known() -> AbstractConnection:
            made.append(make())
            return made[-1]

        link = Multiplexer(make_known, PATIENT)
        call = link.send("REVOKE")
        await engine.until_asked(1)
        reader = made[0]._reader
        assert reader is not None
        reader.set_exception(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
        with pytest.raises(StoreUnavailableError):
            await call
        await link.close()


async def test_a_batch_that_may_not_run_scripts_is_unavailable() -> None:
    """As a single call is; a fault of ours it is not."""
    async with scripted(lambda _: b"-NOPERM this user has no permissions\r\n") as engine:
        runner = ScriptRunner(node_link(engine.url, PATIENT))
        store = Store(ScriptSet(runner, Keyspace(), ENDS))
        with pytest.raises(StoreUnavailableError, match="credentials"):
            await store.validate_many([SOMEBODY] * 3, MINUTE)
        with pytest.raises(StoreUnavailableError, match="credentials"):
            await store.validate(SOMEBODY, MINUTE)
        await runner.close()


@pytest.mark.parametrize("query", ["foo=bar", "ssl_cert_reqs=none", "protocol=3"])
def test_a_url_with_an_option_that_does_not_fit_is_refused_at_the_start(query: str) -> None:
    """Found at the first command, it would leave every call without an answer."""
    with pytest.raises(StartupError, match="is wrong"):
        node_link(f"redis://127.0.0.1?{query}", LinkLimits())


async def test_what_was_never_written_goes_over_the_next_connection() -> None:
    """It is no lost call: nobody but us has seen it."""
    async with scripted(lambda c: b"" if c[0] == b"LOST" else OK) as engine:
        link = node_link(engine.url, PATIENT)
        lost = link.send("LOST")
        await engine.until_asked(1)
        engine.connections[-1].transport.abort()
        # In every turn of the loop until it notices, and while it does.
        later: list[asyncio.Future[bytes]] = []
        while not lost.done():
            later.append(link.send("LATER"))
            await asyncio.sleep(0)
        answers = await asyncio.gather(lost, *later, return_exceptions=True)
        assert isinstance(answers[0], ConnectionLostError)
        assert answers[-1] == b"OK"
        written = sum(command[0] == b"LATER" for command in engine.asked)
        assert written == answers.count(b"OK")
        await link.close()


async def test_callers_keep_their_own_replies_over_many_broken_connections() -> None:
    """Connections end at random, replies half sent, while callers leave at random."""
    chances = random.Random(0)
    number = max(rounds(20), 3)  # after a break in the last there is no next connection

    def answer(command: list[bytes]) -> bytes:
        reply = b"$%d\r\n%s\r\n" % (len(command[1]), command[1])
        if len(engine.asked) == 10 or chances.random() < 0.02:
            engine.connections[-1].write(reply[: chances.randrange(len(reply))])
            engine.connections[-1].close()
            return b""
        return reply

    async with scripted(answer) as engine:
        link = node_link(engine.url, PATIENT)
        told = {True: 0, False: 0}
        for turn in range(number):
            words = [f"{turn} {i}".encode() for i in range(50)]
            replies = {word: link.send("ECHO", word) for word in words}
            for reply in replies.values():
                if chances.random() < 0.2:
                    await asyncio.sleep(0)
                    reply.cancel()
            answers = await asyncio.gather(*replies.values(), return_exceptions=True)
            for word, given in zip(replies, answers, strict=True):
                if isinstance(given, bytes):
                    assert given == word
                else:
                    assert isinstance(given, ConnectionLostError | asyncio.CancelledError)
                told[isinstance(given, bytes)] += 1
        assert len(engine.connections) > 1
        assert min(told.values()) > 0
        await link.close()
