"""A real server for the commands, and a scripted one for what a real one seldom says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from sessionstore import AdminClient, SessionClient
from tests.cli.sessionctl import Sessionctl
from tests.client.fake_service import FakeService
from tests.rpc.conftest import log, serving, transports, valkey  # noqa: F401  fixtures
from tests.rpc.serving import Server

VARIABLES = (
    *("ADDRESS", "TOKEN", "TOKEN_FILE", "CA_FILE", "CERT_FILE", "KEY_FILE"),
    *("PLAINTEXT", "TIMEOUT", "CONTEXT"),
)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder to be in, without settings or contexts from outside."""
    for name in VARIABLES:
        monkeypatch.delenv(f"SESSIONSTORE_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server(serving: Callable[..., AbstractContextManager[Server]]) -> Iterator[Server]:  # noqa: F811
    """A server with nothing in its store. A superseded refresh token is refused at once."""
    with serving(grace_time="0s") as started:
        yield started


@pytest.fixture
def sessions(server: Server) -> Iterator[SessionClient]:
    """The server, as a backend sees it."""
    with SessionClient(server.app.address, token=server.mint("writer")) as client:
        yield client


@pytest.fixture
def admin(server: Server) -> Iterator[AdminClient]:
    """The server, as its operators see it."""
    with AdminClient(server.app.address, token=server.mint("admin")) as client:
        yield client


@pytest.fixture
def ctl(server: Server) -> Sessionctl:
    """sessionctl, called by the server's admin."""
    return Sessionctl(
        SESSIONSTORE_ADDRESS=server.app.address, SESSIONSTORE_TOKEN=server.mint("admin")
    )


@pytest.fixture
def service() -> Iterator[FakeService]:
    """A service that answers by script."""
    with FakeService() as service:
        yield service


@pytest.fixture
def scripted(service: FakeService) -> Sessionctl:
    """sessionctl, against the scripted service."""
    return Sessionctl(SESSIONSTORE_ADDRESS=service.address, SESSIONSTORE_TOKEN="token")
