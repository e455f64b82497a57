"""A server that every race runs over, one whose engine is behind a faulty proxy, and the tally."""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import rounds
from tests.engines import RealEngine, require_engine, start_real_engine
from tests.faults.backend import Backend
from tests.faults.behind import Behind, look_behind
from tests.faults.proxy import Proxy, RespWatch
from tests.faults.sessiond import Sessiond, start_sessiond
from tests.faults.tally import Tally

DEFAULT_ROUNDS: Final = 3
GRACE_S: Final = 2
"""Of the plain server: long enough for 16 calls on a slow machine, and soon over."""
_SECONDS_A_ROUND: Final = 10


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this directory the time that their rounds need."""
    limit = 120 + _SECONDS_A_ROUND * int(os.environ.get("ROUNDS") or DEFAULT_ROUNDS)
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(limit))


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """The count of this test's rounds, calls and violations."""
    name: str = request.node.name
    return Tally(name.removeprefix("test_"), rounds(DEFAULT_ROUNDS))


@pytest.fixture(scope="session")
def server() -> Iterator[Sessiond]:
    """A server on its embedded engine, for all tests; `roomy` is a profile without evictions."""
    require_engine("valkey")
    profiles = '{"roomy": {"session_cap": 1000}}'
    with start_sessiond(grace_time=f"{GRACE_S}s", profiles=profiles) as started:
        asyncio.run(started.serving())
        yield started


@pytest.fixture
async def backend(server: Sessiond) -> AsyncIterator[Backend]:
    """A backend that calls the server."""
    server.must_run()
    async with Backend(server.address, server.token) as ready:
        yield ready


@pytest.fixture
async def behind(server: Sessiond) -> AsyncIterator[Behind]:
    """The keys of the server, none at first."""
    async with look_behind(server.embedded_url, "ss") as looking:
        yield looking


@pytest.fixture(scope="session")
def far_engine() -> Iterator[RealEngine]:
    """A real engine, to be reached through a proxy."""
    require_engine("valkey")
    with start_real_engine("valkey") as started:
        yield started


@dataclass(frozen=True)
class Frail:
    """A server with strict rotation and cap 3, and what stands between it and its engine."""

    proxy: Proxy
    backend: Backend
    behind: Behind


@pytest.fixture
async def frail(far_engine: RealEngine) -> AsyncIterator[Frail]:
    """A server that reaches its engine through a proxy."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory(prefix="ss-") as name:
        place = Path(name) / "p"
        async with (
            Proxy.between_unix(place, far_engine.socket_path, RespWatch) as proxy,
            look_behind(far_engine.url, prefix) as behind,
        ):
            settings = {"grace_time": "0s", "session_cap": "3", "store_read_timeout": "300ms"}
            with start_sessiond(
                store_url=f"unix://{place}", key_prefix=prefix, **settings
            ) as server:
                await server.serving()
                async with Backend(server.address, server.token) as backend:
                    yield Frail(proxy, backend, behind)
