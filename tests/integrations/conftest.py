"""A real server, and the site of every framework on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from sessionstore import (
    AsyncLocalVerifier,
    CreatedSession,
    LocalVerifier,
    SessionClient,
)
from sessionstore.integrations import SessionCookies
from sessionstore.testing import SessionServer
from tests.integrations.sites import KINDS, Kind, Site

OpenSite = Callable[..., Site]


@pytest.fixture(scope="session")
def server() -> Iterator[SessionServer]:
    with SessionServer() as server:
        yield server


@pytest.fixture
def sessions(server: SessionServer) -> Iterator[SessionClient]:
    with server.client() as sessions:
        yield sessions


@pytest.fixture
def login(sessions: SessionClient) -> CreatedSession:
    """Alice has logged in."""
    return sessions.create("alice")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
async def open_site(kind: Kind, server: SessionServer) -> AsyncIterator[OpenSite]:
    """Open the site with a verifier, and with cookies of these options."""
    async with AsyncExitStack() as stack:
        client: Any
        verifier: Any
        if kind.is_async:
            client = await stack.enter_async_context(server.async_client())
            verifier = await stack.enter_async_context(
                AsyncLocalVerifier(client, audience="sessionstore")
            )
            assert await verifier.wait_ready(10)
        else:
            client = stack.enter_context(server.client())
            verifier = stack.enter_context(LocalVerifier(client, audience="sessionstore"))
            assert verifier.wait_ready(10)

        def opened(**options: Any) -> Site:
            site = Site()
            used = options.pop("verifier", verifier)
            options.setdefault("client", client)
            has_cookies = options.pop("has_cookies", True)
            cookies = SessionCookies(**options) if has_cookies else None
            stack.enter_context(kind.build(site, used, cookies))
            return site

        yield opened


@pytest.fixture
def site(open_site: OpenSite) -> Site:
    """The site with a verifier that is ready, and cookies as they are by default."""
    return open_site()
