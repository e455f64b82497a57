"""Both clients behind one adapter, so that each behaviour is tested on both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from sessionstore import AdminClient, AsyncAdminClient, AsyncSessionClient, SessionClient
from sessionstore._base import BaseClient
from tests.client.fake_service import FakeService

TOKEN = "canary-service-token"

VARIABLES = ("ADDRESS", "TOKEN", "TOKEN_FILE", "CA_FILE", "CERT_FILE", "KEY_FILE")


class Awaited:
    """A client, sync or async, whose methods are awaited and whose iterators are lists."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.client, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if isinstance(self.client, BaseClient):
                return await asyncio.to_thread(_listed, method, *args, **kwargs)
            answer = method(*args, **kwargs)
            if isinstance(answer, AsyncIterator):
                return [each async for each in answer]
            return await answer

        return call


class Sessions(Awaited):
    """A client of SessionService."""


class Admin(Awaited):
    """A client of AdminService."""


def _listed(method: Any, *args: Any, **kwargs: Any) -> Any:
    answer = method(*args, **kwargs)
    return list(answer) if isinstance(answer, Iterator) else answer


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"SESSIONSTORE_{name}", raising=False)


@pytest.fixture
def service() -> Iterator[FakeService]:
    with FakeService() as service:
        yield service


@pytest.fixture(params=[SessionClient, AsyncSessionClient])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Sessions]]:
    """Make a client of either kind; closed with the test."""
    made: list[Sessions] = []

    def connect(*args: Any, **options: Any) -> Sessions:
        made.append(Sessions(request.param(*args, **options)))
        return made[-1]

    yield connect
    for sessions in made:
        await sessions.close()


@pytest.fixture
def sessions(service: FakeService, connect: Callable[..., Sessions]) -> Sessions:
    """A client of the fake service, sync or async."""
    return connect(service.address, token=TOKEN)


@pytest.fixture(params=[AdminClient, AsyncAdminClient])
async def admin(request: pytest.FixtureRequest, service: FakeService) -> AsyncIterator[Admin]:
    """An admin client of the fake service, sync or async."""
    admin = Admin(request.param(service.address, token=TOKEN))
    yield admin
    await admin.close()
