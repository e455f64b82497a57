"""Servers over a real engine: one that most tests share, plaintext and TLS, and ones to order."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sessiond.tokens.keymaker import create_keys
from tests.engines import RealEngine, require_engine
from tests.rpc.admin_calls import AdminApi
from tests.rpc.calls import Api
from tests.rpc.certificates import Tls, make_tls
from tests.rpc.logs import Log, captured
from tests.rpc.serving import (
    KEY_PREFIX,
    Server,
    ServerLoop,
    callers_file,
    make_settings,
    serve,
)
from tests.rpc.streaming import Streams
from tests.store_users import engine_with_users, url_of_sessiond
from tests.transport import TRANSPORT, TRANSPORTS

ServeWith = Callable[..., Server]


@pytest.fixture(scope="session", autouse=True)
def log() -> Iterator[Log]:
    """What servers write while no test captures it. They do so after they have answered."""
    with captured() as lines:
        yield lines


@pytest.fixture(scope="session")
def valkey() -> Iterator[RealEngine]:
    """An engine that no test stops; to sessiond it allows what the shipped users.acl does."""
    require_engine("valkey")
    with engine_with_users("valkey", f"{KEY_PREFIX}*") as engine:
        yield engine


@pytest.fixture(scope="session")
def transports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tls | None]:
    """Certificates for this machine's loopback, by transport."""
    return {
        "plaintext": None,
        "native": None,
        "tls": make_tls(tmp_path_factory.mktemp("tls")),
        "mtls": make_tls(tmp_path_factory.mktemp("mtls"), mutual=True),
    }


@pytest.fixture(scope="session")
def serving(
    loop: ServerLoop,
    valkey: RealEngine,
    transports: dict[str, Tls | None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., AbstractContextManager[Server]]:
    """Starts a server over the shared engine, with the settings named."""

    @contextmanager
    def start(
        transport: str | Tls = TRANSPORT, url: str = "", *, ready: bool = True, **settings: Any
    ) -> Iterator[Server]:
        tls = transports[transport] if isinstance(transport, str) else transport
        native = {"transport": "native"} if transport == "native" else {}
        settings = (tls.settings if tls else native) | settings
        directory = tmp_path_factory.mktemp("server")
        made = make_settings(directory, url or url_of_sessiond(valkey.url), **settings)
        with serve(loop, made, tls=tls, ready=ready) as server:
            yield server

    return start


@pytest.fixture(scope="session")
def server(serving: Callable[..., AbstractContextManager[Server]]) -> Iterator[Server]:
    """A server with the default settings."""
    with serving() as started:
        yield started


@pytest.fixture(scope="session")
def api(server: Server) -> Api:
    """The default server, called by its admin."""
    return server.api()


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    """A service of streams beside those of every server that starts after it."""
    served = Streams()
    served.add_beside(monkeypatch)
    return served


@pytest.fixture
def managed(serve_with: ServeWith) -> Server:
    """A server of the test's own, whose operators do as they like."""
    return serve_with()


@pytest.fixture
def admin(managed: Server) -> AdminApi:
    """Its operator's calls."""
    return managed.admin()


@pytest.fixture(scope="session", params=TRANSPORTS if TRANSPORTS[0] == TRANSPORT else (TRANSPORT,))
def wire(
    request: pytest.FixtureRequest, serving: Callable[..., AbstractContextManager[Server]]
) -> Iterator[Server]:
    """A server with the default settings, by every transport in turn."""
    with serving(request.param) as started:
        yield started


@pytest.fixture(scope="session")
def caller(wire: Server) -> Api:
    """A writer's calls, by every transport in turn; over mTLS its certificate is its name."""
    return wire.api("writer")


@pytest.fixture
def serve_with(
    serving: Callable[..., AbstractContextManager[Server]],
) -> Iterator[ServeWith]:
    """Starts servers that end with the test."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(serving(**settings))


@pytest.fixture
def production(tmp_path: Path) -> dict[str, Any]:
    """What production asks for, as settings of a process: keys, callers, a store."""
    create_keys(tmp_path / "keys")
    (tmp_path / "callers.toml").write_text(callers_file())
    return {
        "keys_dir": tmp_path / "keys",
        "callers_file": tmp_path / "callers.toml",
        "store_url": f"embedded://{tmp_path / 'store'}",
        "listen": "127.0.0.1:0",
    }


@pytest.fixture
def user() -> str:
    """A user of the test's own."""
    return f"user-{uuid.uuid4().hex[:12]}"
