"""How commands wait for a slot that nobody serves."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from sessiond.domain.errors import StoreUnavailableError
from sessiond.store import cluster
from sessiond.store.access import Access, Door
from sessiond.store.cluster import ClusterLink
from sessiond.store.cluster_view import ClusterView
from sessiond.store.engine_errors import NotHereError
from sessiond.store.link import LinkLimits
from sessiond.store.store_url import Address
from tests.store.inside import until

_CALLERS = 50


class FakeView:
    """Knows one node."""

    map = None

    async def primary(self, _: int) -> Address:
        return Address("127.0.0.1", 1)

    def renew(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Refusing:
    """A node that serves nothing."""

    asked = 0

    def __init__(self, *_: object, **__: object) -> None:
        """Take whatever a link to a node takes."""

    async def send(self, *_: object) -> None:
        Refusing.asked += 1
        raise NotHereError("on the move")

    async def close(self) -> None:
        pass


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> ClusterLink:
    """To a cluster whose only node serves nothing."""
    monkeypatch.setattr(cluster, "Multiplexer", Refusing)
    Refusing.asked = 0
    return ClusterLink(cast(ClusterView, FakeView()), Door(Access(), LinkLimits()))


async def _asked_again() -> None:
    before = Refusing.asked

    async def was_asked() -> bool:
        await asyncio.sleep(0.001)
        return Refusing.asked > before

    await until(was_asked)


async def test_a_caller_that_goes_away_hands_over_to_one(link: ClusterLink) -> None:
    """Not to all who wait: with deadlines that pass one by one, each would have all ask."""
    calls: list[asyncio.Task[Any]] = []
    for _ in range(_CALLERS):
        calls.append(asyncio.create_task(link.send("GET", "key")))
        await asyncio.sleep(0)
    await _asked_again()
    before = Refusing.asked
    for call in calls[:-1]:
        call.cancel()
        await _asked_again()
    assert Refusing.asked - before < 10 * _CALLERS
    calls[-1].cancel()
    await asyncio.wait(calls)


async def test_nobody_insists_on_a_link_that_was_closed(link: ClusterLink) -> None:
    """It would connect again."""
    call = asyncio.ensure_future(link.send("GET", "key"))
    await _asked_again()
    await link.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        await call
