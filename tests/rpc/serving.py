"""The real server in this process, over a real channel."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc
import uvloop

from sessiond.app import App
from sessiond.assembly.lifetimes import key_lifetimes
from sessiond.settings import Settings
from sessiond.tokens.keymaker import create_keys
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.service import ServiceTokens
from tests.rpc.admin_calls import AdminApi
from tests.rpc.calls import Api
from tests.rpc.certificates import Tls, spiffe_id
from tests.transport import chosen

T = TypeVar("T")

ROLES: Final = {
    "reader": ["reader"],
    "writer": ["writer"],
    "other-writer": ["writer", "reader"],
    "admin": ["admin"],
    "n" * 64: ["writer"],
}
"""Of the callers that every server has."""
KEY_PREFIX: Final = "t"
"""How the key prefixes of all servers begin."""
_START_TIMEOUT_S: Final = 60.0


class ServerLoop:
    """One event loop in a thread: grpc.aio serves all of a process from one."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine of the servers' loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_TIMEOUT_S)

    def call_soon(self, act: Callable[[], object]) -> None:
        """Do something on the servers' loop."""
        self._loop.call_soon_threadsafe(act)

    def close(self) -> None:
        """End the loop. No server runs on it any more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class Server:
    """A running server, its callers, and the channels to it."""

    app: App
    loop: ServerLoop
    tls: Tls | None
    _channels: list[grpc.Channel] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return self.app.settings

    @property
    def mutual(self) -> bool:
        """Whether callers are known by their certificates."""
        return self.tls is not None and self.tls.client_ca is not None

    def channel(self, caller: str = "", *more: tuple[str, int]) -> grpc.Channel:
        """A channel of its own with more options, closed with the server; over mTLS, a caller's."""
        options = [("grpc.use_local_subchannel_pool", 1), *more]
        if self.tls:
            credentials = self.tls.credentials(caller)
            channel = grpc.secure_channel(self.app.address, credentials, options)
        else:
            channel = grpc.insecure_channel(self.app.address, options)
        self.close_with(channel)
        return channel

    def close_with(self, channel: grpc.Channel) -> None:
        """Close a channel with the server."""
        self._channels.append(channel)

    def mint(self, caller: str, *, lifetime_s: int = 3600, now: float | None = None) -> str:
        """A service token for a caller."""
        ring = KeyRing.load(self.settings.effective_keys_dir, key_lifetimes(self.settings))
        return ServiceTokens(ring).mint(caller, lifetime_s, time.time() if now is None else now)

    def token(self, caller: str) -> str | None:
        """What a caller sends along: nothing where its certificate is enough."""
        return None if self.mutual and caller in ROLES else self.mint(caller)

    def api(self, caller: str = "admin", *, timeout_s: float = 15.0) -> Api:
        """Calls of a caller over a channel of its own."""
        return Api(self.channel(caller), self.token(caller), timeout_s=timeout_s)

    def admin(self, caller: str = "admin", *, timeout_s: float = 60.0) -> AdminApi:
        """Calls of an operator over a channel of its own."""
        return AdminApi(self.channel(caller), self.token(caller), timeout_s=timeout_s)

    def close_channels(self) -> None:
        for channel in self._channels:
            channel.close()


def callers_file(*, certificates: bool = False) -> str:
    """The callers above, with or without the names of their certificates."""
    lines = []
    for name, roles in ROLES.items():
        lines += [f"[callers.{name}]", f"roles = {roles}"]
        lines += [f"certificates = ['{spiffe_id(name)}']"] if certificates else []
    return "\n".join(lines)


def make_settings(directory: Path, store_url: str, **overrides: Any) -> Settings:
    """Production settings with fresh keys, the callers above and a key prefix of their own."""
    keys, callers = directory / "keys", directory / "callers.toml"
    # Older than any key made later, so that a rotation takes effect at once.
    create_keys(keys, clock=lambda: time.time() - 3600)
    if not callers.exists():
        callers.write_text(callers_file(certificates="tls_client_ca_file" in overrides))
    defaults = {
        "listen": "127.0.0.1:0",
        "keys_dir": keys,
        "callers_file": callers,
        "store_url": store_url,
        "key_prefix": f"{KEY_PREFIX}{uuid.uuid4().hex[:12]}",
        "drain_time": "0s",
        # It draws random numbers in this process, which hypothesis takes for its own tests'.
        "reaper_interval": "0s",
        # The engine may be a thread of this process, and wait its turn on a busy machine.
        "store_read_timeout": "8s",
        **chosen(overrides),
    }
    return Settings(**{**defaults, **overrides})


@contextmanager
def serve(
    loop: ServerLoop, settings: Settings, *, tls: Tls | None = None, ready: bool = True
) -> Iterator[Server]:
    """Serve; by default from when the store can be used."""
    app = App(settings)
    loop.run(app.__aenter__())
    server = Server(app, loop, tls)
    try:
        if ready:
            loop.run(asyncio.wait_for(app.ready.wait(), _START_TIMEOUT_S))
        yield server
    finally:
        server.close_channels()
        loop.run(app.__aexit__(None, None, None))


def eventually(condition: Callable[[], object], *, within_s: float = 10.0) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s")
        time.sleep(0.01)
