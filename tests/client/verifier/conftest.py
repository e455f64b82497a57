"""Both verifiers behind one adapter, a service that they verify for, and its log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sessiond.tokens.keys import TokenKey
from sessionstore import (
    AsyncLocalVerifier,
    AsyncSessionClient,
    LocalVerifier,
    SessionClient,
    VerifiedToken,
    VerifierState,
)
from sessionstore._verifying.steady import steady_s
from tests.client.conftest import TOKEN
from tests.client.fake_log import FakeLog
from tests.client.fake_service import FakeService
from tests.client.verifier.access import AUDIENCE, new_key, publish

PATIENCE_S = 20.0


class Verifying:
    """A verifier, sync or async, whose methods are awaited."""

    def __init__(self, verifier: LocalVerifier | AsyncLocalVerifier) -> None:
        self.verifier = verifier

    async def verify(self, token: str) -> VerifiedToken:
        verified: VerifiedToken = await self._call("verify", token)
        return verified

    async def wait_ready(self, patience_s: float = PATIENCE_S) -> bool:
        ready: bool = await self._call("wait_ready", patience_s)
        return ready

    async def start(self) -> None:
        await self._call("start")

    async def close(self) -> None:
        await self._call("close")

    @property
    def state(self) -> VerifierState:
        return self.verifier.state

    async def keys_are_old(self) -> None:
        """Wait until a token of an unknown key may have them fetched again."""
        keys = self.verifier._judge.keys
        await eventually(lambda: not keys.are_recent(steady_s()))

    async def refusal(self, token: str) -> Any:
        """The error that refuses the token; fails if it is taken."""
        try:
            taken = await self.verify(token)
        except Exception as error:  # noqa: BLE001  that is the answer
            return error
        pytest.fail(f"taken: {taken}")

    async def _call(self, name: str, *args: Any) -> Any:
        method = getattr(self.verifier, name)
        if isinstance(self.verifier, LocalVerifier):
            return await asyncio.to_thread(method, *args)
        return await method(*args)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  of another thread
            await asyncio.sleep(0.005)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> TokenKey:
    return new_key(tmp_path_factory.mktemp("keys") / "ring")


@pytest.fixture(scope="session")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> TokenKey:
    return new_key(tmp_path_factory.mktemp("keys") / "ring")


@pytest.fixture
def log(service: FakeService, key: TokenKey) -> FakeLog:
    """The log of a service that publishes the key."""
    publish(service, key)
    return FakeLog(service)


@pytest.fixture(params=["sync", "aio"])
async def make(
    request: pytest.FixtureRequest, service: FakeService
) -> AsyncIterator[Callable[..., Verifying]]:
    """Make a verifier of either kind; closed with the test, as its client is."""
    made: list[Verifying] = []
    clients: list[Any] = []

    def make(**options: Any) -> Verifying:
        options = {"audience": AUDIENCE, **options}
        if request.param == "sync":
            clients.append(SessionClient(service.address, token=TOKEN))
            made.append(Verifying(LocalVerifier(clients[-1], **options)))
        else:
            clients.append(AsyncSessionClient(service.address, token=TOKEN))
            made.append(Verifying(AsyncLocalVerifier(clients[-1], **options)))
        return made[-1]

    yield make
    for verifying in made:
        await verifying.close()
    for client in clients:
        await asyncio.to_thread(client.close) if request.param == "sync" else await client.close()


@pytest.fixture
async def verifier(log: FakeLog, make: Callable[..., Verifying]) -> Verifying:
    """A verifier that is ready."""
    verifier = make()
    assert await verifier.wait_ready()
    return verifier
