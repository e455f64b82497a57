"""The walk of users: everybody once, in pages, resumable, and never in a hurry."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from itertools import count, islice

import pytest

from sessiond.domain.ids import PARTITIONS, partition_of_user
from sessiond.store.script_set import ScriptSet
from sessiond.store.walk import START, Place, UserPage, UserWalk
from tests.store.inside import Inside

STEP = 20


def _users_of(partition: int) -> Iterable[str]:
    return (u for u in (f"user-{i}" for i in count()) if partition_of_user(u) == partition)


async def _fill(inside: Inside, users: Iterable[str]) -> set[str]:
    """Put users into the index: a walk looks at nothing else."""
    made = set(users)
    await asyncio.gather(
        *(inside.ask("ZADD", inside.keys.users(partition_of_user(u)), 1, u) for u in made)
    )
    return made


async def _pages(walk: UserWalk, start: Place = START) -> list[UserPage]:
    return [page async for page in walk.pages(start)]


def _named(pages: Iterable[UserPage]) -> Counter[str]:
    return Counter(user for page in pages for user in page.users)


async def test_everybody_is_named_once(scripts: ScriptSet, inside: Inside) -> None:
    """On a page of their own partition, in steps, partition by partition to the last."""
    spread = await _fill(inside, (f"benutzerin-{i}-ä" for i in range(500)))
    crowd = await _fill(inside, islice(_users_of(7), 500))
    walk = UserWalk(scripts, step=STEP)
    pages = await _pages(walk)
    assert _named(pages) == dict.fromkeys(spread | crowd, 1)
    assert await walk.total() == len(spread | crowd)
    assert all(partition_of_user(u) == page.partition for page in pages for u in page.users)
    assert sum(page.partition == 7 for page in pages) > 500 / (3 * STEP)
    order = [page.partition for page in pages]
    assert order == sorted(order)
    assert [page for page in pages if page.next is None] == [pages[-1]]


async def test_an_empty_store_is_one_empty_page(scripts: ScriptSet) -> None:
    """So that a walk always says that it has come to its end."""
    walk = UserWalk(scripts)
    assert await _pages(walk) == [UserPage(PARTITIONS - 1, (), None)]
    assert await walk.total() == 0


async def test_a_walk_goes_on_from_any_place(scripts: ScriptSet, inside: Inside) -> None:
    """Whoever was not named before the place is named after it."""
    everybody = await _fill(inside, (f"user-{i}" for i in range(300)))
    everybody |= await _fill(inside, islice(_users_of(3), 400))
    walk = UserWalk(scripts, step=STEP)
    pages = await _pages(walk)
    for i in range(0, len(pages) - 1, 7):
        place = pages[i].next
        assert place is not None
        rest = await _pages(walk, Place.parse(str(place)))
        before = set(_named(pages[: i + 1]))
        assert set(_named(rest)) >= everybody - before
        assert max(_named(rest).values()) == 1


async def test_who_leaves_meanwhile_hides_nobody(scripts: ScriptSet, inside: Inside) -> None:
    """Each page's users go as soon as they are named, as a purge makes them."""
    everybody = await _fill(inside, islice(_users_of(9), 600))
    named: Counter[str] = Counter()
    async for page in UserWalk(scripts, step=STEP).pages():
        named.update(page.users)
        if page.users:
            await inside.ask("ZREM", inside.keys.users(page.partition), *page.users)
    assert named == dict.fromkeys(everybody, 1)


async def test_a_walk_takes_no_more_than_half_the_time(scripts: ScriptSet, inside: Inside) -> None:
    """After each page it rests for as long as the page and the work on it took."""
    await _fill(inside, (next(iter(_users_of(p))) for p in range(PARTITIONS)))
    worked, work_s = 0.0, 0.005
    began = time.monotonic()
    async for page in UserWalk(scripts).pages():
        since = time.monotonic()
        await asyncio.sleep(work_s if page.next else 0)
        worked += time.monotonic() - since
    assert worked >= work_s * (PARTITIONS - 1)
    assert time.monotonic() - began >= 2 * worked


@pytest.mark.parametrize(
    "text", ["", "0", "0.", "64.0", "1.-1", "1.1.1", "01.5", "1.05", f"0.{2**64}", "٣.1", " 1.1"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    """A place has one text, and comes back from its caller."""
    with pytest.raises(ValueError, match="not a place"):
        Place.parse(text)
    assert Place.parse(f"63.{2**64 - 1}") == Place(63, 2**64 - 1)
