"""What a crowd of watchers shares as it begins, and what it does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sessiond.domain.errors import StoreUnavailableError
from sessiond.domain.events import DeadSession
from sessiond.service.snapshots import Snapshots
from sessiond.store.log import Snapshot
from sessiond.store.log_entries import Place


class Log:
    """A log that answers when it may."""

    def __init__(self, sessions: int = 1) -> None:
        self.readings = 0
        self.failing = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._dead = tuple(DeadSession(f"s{n}", n) for n in range(sessions))

    async def snapshot(self, partition: int, *, dead: bool) -> Snapshot:
        self.readings += 1
        number = self.readings
        await self.may_answer.wait()
        if self.failing:
            raise StoreUnavailableError("out of reach")
        return Snapshot(Place(f"{partition}-{number}", number), self._dead if dead else ())


def snapshots(log: Any) -> Snapshots:
    return Snapshots(log, asyncio.Semaphore(8))


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is kept for a moment."""
    monkeypatch.setattr("sessiond.service.snapshots._KEPT_S", 0.01)


async def test_a_crowd_shares_one_reading() -> None:
    """And its parts, those who come while it is read and those who come soon after."""
    log = Log(2_500)
    shared = snapshots(log)
    first, *others = await asyncio.gather(*(shared.of(3, dead=True, epoch=1) for _ in range(50)))
    others.append(await shared.of(3, dead=True, epoch=1))
    assert [len(part.sessions) for part in first.parts] == [1_000, 1_000, 500]
    assert all(other is first for other in others)
    assert log.readings == 1


async def test_other_partitions_and_other_questions_are_read_by_themselves() -> None:
    """Without the sessions there are no parts."""
    log = Log()
    shared = snapshots(log)
    one, two = await shared.of(1, dead=True, epoch=1), await shared.of(2, dead=True, epoch=1)
    assert (one.place.id, two.place.id) == ("1-1", "2-2")
    assert not (await shared.of(1, dead=False, epoch=1)).parts


@pytest.mark.usefixtures("brief")
async def test_it_is_read_again_after_a_moment() -> None:
    """Who begins later has less to catch up with."""
    log = Log()
    shared = snapshots(log)
    async with asyncio.timeout(10):
        while (await shared.of(1, dead=True, epoch=1)).place.count < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_nothing_is_shared_with_another_epoch() -> None:
    """Also not what was being read when it began: the store may have lost it since."""
    log = Log()
    shared = snapshots(log)
    log.may_answer.clear()
    before = asyncio.create_task(shared.of(1, dead=True, epoch=1))
    await asyncio.sleep(0)
    after = asyncio.create_task(shared.of(1, dead=True, epoch=2))
    await asyncio.sleep(0)
    log.may_answer.set()
    assert (await before).place.count == 1
    assert (await after).place.count == 2
    assert (await shared.of(1, dead=True, epoch=2)).place.count == 2


async def test_what_is_forgotten_is_read_again() -> None:
    """By the next one who comes."""
    log = Log()
    shared = snapshots(log)
    await shared.of(1, dead=True, epoch=1)
    shared.forget()
    assert (await shared.of(1, dead=True, epoch=1)).place.count == 2


async def test_a_failure_is_everybodys_who_waits_and_is_not_kept() -> None:
    """The next one reads again."""
    log = Log()
    shared = snapshots(log)
    log.failing = True
    waiting = (shared.of(1, dead=True, epoch=1) for _ in range(3))
    failures = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in failures} == {StoreUnavailableError}
    log.failing = False
    async with asyncio.timeout(10):
        while log.readings == 1:
            await asyncio.gather(shared.of(1, dead=True, epoch=1), return_exceptions=True)
    assert (await shared.of(1, dead=True, epoch=1)).place.count == 2


async def test_who_leaves_leaves_it_to_the_others() -> None:
    """And none of it is left running in the end."""
    log = Log()
    shared = snapshots(log)
    log.may_answer.clear()
    leaver, stayer = (asyncio.create_task(shared.of(1, dead=True, epoch=1)) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.wait([leaver])
    log.may_answer.set()
    assert (await stayer).place.count == 1
    await shared.close()
    assert len(asyncio.all_tasks()) == 1
