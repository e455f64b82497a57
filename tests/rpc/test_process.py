"""`sessiond serve` as a process: what it prints, how it stops, what it leaves."""

from __future__ import annotations

import signal
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sessiond.domain.errors import Reason
from sessiond.tokens.keyring import KeyRing, Lifetimes
from sessiond.tokens.service import ServiceTokens
from tests.engines import start_real_engine
from tests.rpc.calls import Api, outcome
from tests.rpc.engines import hung
from tests.rpc.process import called, engines_on, sessiond
from tests.rpc.serving import eventually
from tests.transport import TRANSPORT

Status = health_pb2.HealthCheckResponse
DEV = {"listen": "127.0.0.1:0", "log_format": "json"}


@pytest.fixture
def token(tmp_path: Path, production: dict[str, Any]) -> str:
    """A token of production's admin."""
    lifetimes = Lifetimes(access_s=3600, service_s=86_400, session_s=86_400)
    ring = KeyRing.load(production["keys_dir"], lifetimes)
    return ServiceTokens(ring).mint("admin", 3600, time.time())


def test_development_mode_prints_an_address_and_a_token_that_work(tmp_path: Path) -> None:
    """Ready to use, also from its file, which is its owner's alone."""
    with sessiond(tmp_path, "--dev", **DEV) as server:
        server.wait_until_welcome()
        assert f"serves on {server.address} (development mode, loopback only)" in server.printed
        with called(server.address, server.token) as api:
            assert api.create("alice").session.user_id == "alice"
        file = tmp_path / ".sessiond" / "dev.token"
        assert file.read_text().strip() == server.token
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert server.ends(signal.SIGINT) == 0
        assert server.token not in server.errors.read_text()
        assert not engines_on(tmp_path)


def test_production_prints_no_token(tmp_path: Path, production: dict[str, Any], token: str) -> None:
    """And nothing else on standard output."""
    with sessiond(tmp_path, **production) as server:
        server.wait_until("store_ready")
        with called(server.address, token) as api:
            assert outcome(api.create, "alice") == "OK"
        assert server.ends(signal.SIGTERM) == 0
        assert server.printed == ""
        assert server.logged("stopped")


def test_sighup_ends_no_server_that_cannot_reload(
    tmp_path: Path, production: dict[str, Any], token: str
) -> None:
    """It says how it could, and goes on; in development mode it is the end of the terminal."""
    with sessiond(tmp_path, **production) as server:
        server.wait_until("store_ready")
        server.process.send_signal(signal.SIGHUP)
        server.wait_until("reload_refused")
        with called(server.address, token) as api:
            assert outcome(api.create, "alice") == "OK"
        assert server.ends(signal.SIGTERM) == 0


def test_sigkill_leaves_no_engine_and_no_session_behind(tmp_path: Path) -> None:
    """The engine ends with its parent, and the next start has every session."""
    with sessiond(tmp_path, "--dev", **DEV) as server:
        server.wait_until_welcome()
        with called(server.address, server.token) as api:
            made = [api.create(f"user-{i}").session for i in range(50)]
        assert len(engines_on(tmp_path)) == 1
        assert server.ends(signal.SIGKILL) == -signal.SIGKILL
        eventually(lambda: not engines_on(tmp_path))
    with sessiond(tmp_path, "--dev", **DEV) as server:
        server.wait_until_welcome()
        with called(server.address, server.token) as api:
            assert [api.get(session.session_id) for session in made] == made
        assert server.ends(signal.SIGTERM) == 0
    assert not engines_on(tmp_path)


def _statuses(stream: Iterator[Any]) -> Iterator[int]:
    try:
        for answer in stream:
            yield int(answer.status)
    except grpc.RpcError:
        return


def _create(api: Api) -> str:
    """Create, past those who ask whether this call is in flight."""
    while (found := outcome(api.create, "alice")) == Reason.OVERLOADED:
        pass
    return found


def test_sigterm_lets_calls_in_flight_finish(
    tmp_path: Path, production: dict[str, Any], token: str
) -> None:
    """NOT_SERVING at once, new calls refused, the one in flight answered, exit 0 well in time."""
    with start_real_engine("valkey") as engine, ThreadPoolExecutor(1) as pool:
        settings = production | {
            "store_url": engine.url,
            "store_read_timeout": "9s",
            "max_in_flight": 1,
        }
        with sessiond(tmp_path, **settings) as server:
            server.wait_until("store_ready")
            address = server.address
            with called(address, token) as api, called(address, token) as health:
                stub = health_pb2_grpc.HealthStub(health.channel)
                watch = stub.Watch(health_pb2.HealthCheckRequest())
                statuses = _statuses(watch)
                assert next(statuses) == Status.SERVING
                with hung(engine):
                    call = pool.submit(_create, api)
                    eventually(lambda: outcome(api.signing_keys) == Reason.OVERLOADED)
                    server.process.send_signal(signal.SIGTERM)
                    assert next(statuses) == Status.NOT_SERVING
                    # Natively others are served, or told OVERLOADED, as long as one is in flight.
                    refused = Reason.OVERLOADED if TRANSPORT == "native" else "UNAVAILABLE"
                    with called(address, token) as late:
                        eventually(lambda: outcome(late.signing_keys) == refused)
                    assert not call.done()
                assert call.result() == "OK"
            started = time.monotonic()
            assert server.process.wait(20) == 0
            assert time.monotonic() - started < 5
            assert server.logged("stopped")
