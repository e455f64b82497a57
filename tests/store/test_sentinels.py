"""Which primary is believed, with sentinels that say what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store.access import Access
from sessiond.store.connect import open_link
from sessiond.store.link import Link, LinkLimits
from tests.store.inside import until
from tests.store.scripted import OK, Scripted, scripted

LIMITS = LinkLimits(connect_s=2, read_s=2)
SOON_S = 5.0


@dataclass
class Sentinel:
    """What one sentinel says; None is silence."""

    primary: Scripted | None
    epoch: int = 1
    knows: bytes = b"main"

    def answer(self, command: list[bytes]) -> bytes:
        if command[0] == b"AUTH":
            return OK
        if self.primary is None:
            return b""
        if command[2] != self.knows:
            return b"*-1\r\n" if command[1] != b"MASTER" else b"-ERR No such master\r\n"
        host, port = self.primary.url.removeprefix("redis://").split(":")
        if command[1] == b"MASTER":
            return _array("name", "main", "ip", "elsewhere", "config-epoch", str(self.epoch))
        return _array(host, port)


@dataclass
class Stage:
    """Two engines, and sentinels that name the first."""

    engines: list[Scripted]
    sentinels: list[Sentinel]
    servers: list[Scripted]

    @property
    def url(self) -> str:
        places = (server.url.removeprefix("redis://") for server in self.servers)
        return f"redis+sentinel://{','.join(places)}/main"

    def link(self, limits: LinkLimits = LIMITS, access: Access = Access()) -> Link:  # noqa: B008
        return open_link(self.url, limits, access)

    def all_name(self, engine: int, epoch: int) -> None:
        for sentinel in self.sentinels:
            sentinel.primary, sentinel.epoch = self.engines[engine], epoch


def _array(*words: str) -> bytes:
    items = (f"${len(word)}\r\n{word}\r\n" for word in words)
    return f"*{len(words)}\r\n{''.join(items)}".encode()


def _engine(number: int, roles: list[str]) -> Callable[[list[bytes]], bytes]:
    def answer(command: list[bytes]) -> bytes:
        if command[0] == b"AUTH":
            return OK
        if command[0] == b"ROLE":
            return _array(roles[number])
        return b"+engine %d\r\n" % number

    return answer


@pytest.fixture
def roles() -> list[str]:
    """What the engines say that they are."""
    return ["master", "master"]


@pytest.fixture
async def stage(roles: list[str]) -> AsyncIterator[Stage]:
    """Three sentinels."""
    async with AsyncExitStack() as running:
        engines = [await running.enter_async_context(scripted(_engine(i, roles))) for i in (0, 1)]
        sentinels = [Sentinel(engines[0]) for _ in range(3)]
        servers = [await running.enter_async_context(scripted(s.answer)) for s in sentinels]
        yield Stage(engines, sentinels, servers)


async def test_the_primary_that_they_name_is_asked(stage: Stage) -> None:
    """In one connection for all commands."""
    link = stage.link()
    assert [await link.send("PING") for _ in range(3)] == [b"engine 0"] * 3
    assert len(stage.engines[0].connections) == 1
    await link.close()


async def test_the_newest_epoch_counts_and_not_the_majority(stage: Stage) -> None:
    """The one who knows of a failover first has not told the others yet."""
    stage.sentinels[2].primary, stage.sentinels[2].epoch = stage.engines[1], 2
    link = stage.link()
    assert await link.send("PING") == b"engine 1"
    await link.close()


async def test_one_sentinel_is_enough_to_begin_with(stage: Stage) -> None:
    """The others are out of reach, or say nothing: an outage of theirs is none of ours."""
    stage.sentinels[0].primary = stage.sentinels[1].primary = None
    link = stage.link()
    async with asyncio.timeout(SOON_S):
        assert await link.send("PING") == b"engine 0"
    await link.close()


async def test_a_silent_sentinel_holds_nobody_up(stage: Stage) -> None:
    """Once most have answered, the others are waited for no longer than a moment."""
    stage.sentinels[0].primary = None
    link = stage.link(LinkLimits(connect_s=600, read_s=600))
    async with asyncio.timeout(SOON_S):
        assert await link.send("PING") == b"engine 0"
    await link.close()


async def test_a_sentinel_that_was_left_behind_is_not_believed(
    stage: Stage, roles: list[str]
) -> None:
    """It is the only one in reach, with an old primary: better no answer than one from there."""
    stage.all_name(1, 7)
    link = stage.link(LinkLimits(connect_s=0.4, read_s=2))
    assert await link.send("PING") == b"engine 1"
    stage.all_name(0, 6)
    stage.sentinels[0].primary = stage.sentinels[1].primary = None
    roles[1] = "slave"
    stage.engines[1].connections[-1].transport.abort()
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await link.send("PING")
    assert not stage.engines[0].connections
    stage.all_name(0, 6)  # a majority: sentinels that were set up anew begin to count again
    assert await _answered(link) == b"engine 0"
    await link.close()


async def test_without_sentinels_the_connection_goes_on(stage: Stage) -> None:
    """They are asked again and again; nobody knows of a better primary."""
    link = stage.link(LinkLimits(connect_s=0.2, read_s=2))
    assert await link.send("PING") == b"engine 0"
    asked = [len(server.asked) for server in stage.servers]
    for sentinel in stage.sentinels:
        sentinel.primary = None

    async def asked_in_vain() -> bool:
        await asyncio.sleep(0)
        counts = [len(server.asked) for server in stage.servers]
        return all(now >= before + 4 for before, now in zip(asked, counts, strict=True))

    await until(asked_in_vain)
    assert await link.send("PING") == b"engine 0"
    assert len(stage.engines[0].connections) == 1
    await link.close()


async def test_an_old_primary_that_still_answers_is_left(stage: Stage) -> None:
    """It may be cut off from its replicas; what it is told is lost."""
    link = stage.link()
    assert await link.send("PING") == b"engine 0"
    stage.all_name(1, 2)
    await stage.engines[0].until_left()
    assert await link.send("PING") == b"engine 1"
    await link.close()


async def test_what_is_no_primary_is_not_asked(stage: Stage, roles: list[str]) -> None:
    """A replica whose promotion is on its way, or an old primary that came back as one."""
    roles[0] = "slave"
    link = stage.link()
    with pytest.raises(StoreUnavailableError):
        await link.send("PING")
    assert {command[0] for command in stage.engines[0].asked} == {b"ROLE"}
    roles[0] = "master"
    assert await link.send("PING") == b"engine 0"
    await link.close()


async def test_a_group_that_they_do_not_know_is_unavailable(stage: Stage) -> None:
    """A name that is wrong by a letter reaches no engine."""
    for sentinel in stage.sentinels:
        sentinel.knows = b"mian"
    link = stage.link()
    with pytest.raises(StoreUnavailableError):
        await link.send("PING")
    assert not stage.engines[0].connections
    await link.close()


async def test_sentinels_get_credentials_of_their_own(stage: Stage) -> None:
    """Never the engine's: whoever stands in for a sentinel learns nothing of the store."""
    access = Access("app", "secret", sentinels=Access("watcher", "other"))
    link = stage.link(access=access)
    assert await link.send("PING") == b"engine 0"
    assert stage.engines[0].asked[0] == [b"AUTH", b"app", b"secret"]
    for server in stage.servers:
        assert server.asked[0] == [b"AUTH", b"watcher", b"other"]
        assert b"secret" not in b"".join(b"".join(command) for command in server.asked)
    await link.close()


async def test_nothing_is_asked_once_the_link_is_closed(stage: Stage) -> None:
    """Neither the engine nor the sentinels hear of it again."""
    link = stage.link()
    await link.send("PING")
    await link.close()
    for server in (*stage.servers, stage.engines[0]):
        async with asyncio.timeout(SOON_S):
            await asyncio.wait(server.handlers)


async def _answered(link: Link) -> bytes:
    """The reply of the first attempt that succeeds."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                answer: bytes = await link.send("PING")
            except StoreUnavailableError:
                await asyncio.sleep(0.01)
            else:
                return answer
