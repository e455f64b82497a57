"""Starting, sharing, closing and forgetting a verifier."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sessiond.domain.ids import new_session_id
from sessiond.tokens.keys import TokenKey
from sessionstore import (
    AsyncLocalVerifier,
    AsyncSessionClient,
    LocalVerifier,
    SessionClient,
    SessionEnded,
    WhenStale,
)
from tests.client.conftest import TOKEN
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService
from tests.client.verifier.access import AUDIENCE, USER, token
from tests.client.verifier.conftest import PATIENCE_S

THREADS, SESSIONS = 8, 100


@pytest.fixture
def client(service: FakeService) -> Iterator[SessionClient]:
    with SessionClient(service.address, token=TOKEN) as client:
        yield client


def feeds() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "sessionstore-feed"]


def test_many_threads_verify_while_sessions_end(
    client: SessionClient, log: FakeLog, key: TokenKey
) -> None:
    """None takes a token again that it has refused; one stream serves them all."""
    sessions = [new_session_id(USER) for _ in range(SESSIONS)]
    tokens = {session_id: token(key, session_id) for session_id in sessions}
    over = threading.Event()

    def verify(seed: int) -> tuple[int, int]:
        dice, ended, taken = random.Random(seed), set[str](), 0
        while not over.is_set() or len(ended) < SESSIONS:
            session_id = dice.choice(sessions)
            try:
                verifier.verify(tokens[session_id])
            except SessionEnded:
                ended.add(session_id)
            else:
                taken += 1
                assert session_id not in ended
        return taken, len(ended)

    with (
        LocalVerifier(client, audience=AUDIENCE, remember=SESSIONS // 2) as verifier,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        assert verifier.wait_ready(PATIENCE_S)
        begun = [threads.submit(verify, seed) for seed in range(THREADS)]
        for session_id in sessions:
            log.end(session_id)
            time.sleep(0.002)
        over.set()
        taken = sum(each.result(60)[0] for each in begun)
        assert verifier.state.remembered_tokens <= SESSIONS // 2
        assert len(feeds()) == 1
    print(f"{THREADS} threads took {taken} tokens and refused {SESSIONS} sessions each")  # noqa: T201
    assert log.cursors == [""]


def test_threads_that_begin_at_once_share_a_feed_and_a_fetch(
    service: FakeService, client: SessionClient, log: FakeLog, key: TokenKey
) -> None:
    """However many first uses there are."""
    together = threading.Barrier(THREADS)

    def begin(verifier: LocalVerifier) -> None:
        together.wait(PATIENCE_S)
        verifier.verify(token(key))

    verifier = LocalVerifier(client, audience=AUDIENCE, when_stale=WhenStale.ACCEPT)
    with verifier, ThreadPoolExecutor(THREADS) as threads:
        for each in [threads.submit(begin, verifier) for _ in range(THREADS)]:
            each.result(PATIENCE_S)
        assert verifier.wait_ready(PATIENCE_S)
    assert len(log.cursors) == 1
    assert len(service.received["GetSigningKeys"]) == 1


def test_closing_ends_the_thread_and_leaves_the_client(client: SessionClient, log: FakeLog) -> None:
    """At once, also while it waits for a checkpoint."""
    log.checkpoints = False
    with LocalVerifier(client, audience=AUDIENCE):
        assert len(feeds()) == 1
    assert not feeds()
    client.signing_keys()


def test_a_forgotten_verifier_leaves_no_thread(client: SessionClient, log: FakeLog) -> None:
    """It is collected like anything else."""
    LocalVerifier(client, audience=AUDIENCE).wait_ready(PATIENCE_S)
    gc.collect()
    until = time.monotonic() + PATIENCE_S
    while feeds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_closed_client_ends_the_feed(service: FakeService, log: FakeLog) -> None:
    """Its verifier says that it is the client that is closed."""
    client = SessionClient(service.address, token=TOKEN)
    with LocalVerifier(client, audience=AUDIENCE) as verifier:
        verifier.wait_ready(PATIENCE_S)
        (feed,) = feeds()
        client.close()
        feed.join(PATIENCE_S)
        assert not feed.is_alive()
        assert "client is closed" in str(verifier.state.last_error)


@pytest.mark.parametrize("closing", ["verifier.close()", "client.close()", "pass"])
def test_a_process_exits_with_or_without_closing(
    service: FakeService, log: FakeLog, closing: str
) -> None:
    """Quietly, and at once."""
    code = f"""
from sessionstore import LocalVerifier, SessionClient
client = SessionClient({service.address!r}, token="t")
verifier = LocalVerifier(client, audience="api")
assert verifier.wait_ready(20)
{closing}
"""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "GRPC_VERBOSITY": "NONE"},
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_what_it_knows_lives_on_in_the_next_event_loop(
    service: FakeService, log: FakeLog, key: TokenKey
) -> None:
    """It resumes where the last one was, and hears what it missed."""
    verifier = AsyncLocalVerifier(
        AsyncSessionClient(service.address, token=TOKEN), audience=AUDIENCE
    )
    missed = new_session_id(USER)

    async def first() -> None:
        assert await verifier.wait_ready(PATIENCE_S)
        await verifier.verify(token(key, missed))

    async def second() -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await verifier.verify(token(key, missed))
                except SessionEnded:
                    break
                await asyncio.sleep(0.001)
        await verifier.close()

    asyncio.run(first())
    log.end(missed)
    asyncio.run(second())
    gc.collect()
    assert [bool(cursor) for cursor in log.cursors] == [False, True]


async def test_it_refuses_a_loop_beside_its_own(
    service: FakeService, log: FakeLog, key: TokenKey
) -> None:
    """As its client does."""
    async with (
        AsyncSessionClient(service.address, token=TOKEN) as client,
        AsyncLocalVerifier(client, audience=AUDIENCE) as verifier,
    ):
        await verifier.wait_ready(PATIENCE_S)
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, verifier.verify(token(key)))
        await verifier.verify(token(key))


async def test_no_task_is_left_behind(service: FakeService, log: FakeLog) -> None:
    """Neither closed nor forgotten."""
    async with AsyncSessionClient(service.address, token=TOKEN) as client:
        async with AsyncLocalVerifier(client, audience=AUDIENCE) as verifier:
            await verifier.wait_ready(PATIENCE_S)
            assert len(tasks()) == 1
        assert not tasks()

        forgotten = AsyncLocalVerifier(client, audience=AUDIENCE)
        await forgotten.wait_ready(PATIENCE_S)
        del forgotten
        gc.collect()
        async with asyncio.timeout(PATIENCE_S):
            while tasks():  # noqa: ASYNC110  of an end that nobody is told of
                await asyncio.sleep(0.01)


def tasks() -> list[asyncio.Task[object]]:
    return [each for each in asyncio.all_tasks() if each.get_name() == "sessionstore-feed"]


def test_without_the_extra_it_says_what_to_install() -> None:
    """Whichever of the two packages is missing; the client goes without."""
    code = """
import sys
sys.modules[sys.argv[1]] = None
from sessionstore import LocalVerifier, SessionClient
try:
    LocalVerifier(SessionClient("127.0.0.1:1", token="t"), audience="api")
except ImportError as error:
    print(error)
"""
    for missing in ("jwt", "cryptography"):
        said = subprocess.run(
            [sys.executable, "-c", code, missing], capture_output=True, text=True, check=True
        )
        assert "pip install 'sessionstore[verify]'" in said.stdout
