"""`sessiond health` and the health port, as a container's health check and a kubelet use them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.commands import Command
from tests.engines import start_real_engine
from tests.rpc.calls import Api
from tests.rpc.certificates import Tls, make_tls
from tests.rpc.serving import Server, eventually

Serving = Callable[..., AbstractContextManager[Server]]
Status = health_pb2.HealthCheckResponse


@pytest.fixture
def tls(transports: dict[str, Tls | None]) -> Tls:
    found = transports["tls"]
    assert found
    return found


def _settings(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's settings in the environment, with the ports that it got."""
    app = server.app
    chosen = {"listen": app.address, "health_listen": app.health_address}
    for name in ("keys_dir", "callers_file", "store_url", "tls_cert_file", "tls_key_file"):
        chosen[name] = str(getattr(app.settings, name) or "")
    for name, value in chosen.items():
        if value:
            monkeypatch.setenv(f"SESSIOND_{name.upper()}", value)


def test_a_server_that_serves_is_healthy(
    command: Command, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 0, whatever proxy the environment names."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving("plaintext") as server:
        _settings(server, monkeypatch)
        assert command("health") == (0, "SERVING\n", "")
        assert command("health", "--live") == (0, "SERVING\n", "")
        assert command("health", "--address", server.app.address) == (0, "SERVING\n", "")


def test_a_server_of_tls_is_asked_over_tls(
    command: Command, serving: Serving, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verified against its own certificate: nobody else's answer counts."""
    with serving(tls) as server:
        _settings(server, monkeypatch)
        assert command("health") == (0, "SERVING\n", "")
        assert command("health", "--address", server.app.address, "--timeout", "1")[0] != 0


def test_another_certificate_than_its_own_is_not_believed(
    command: Command,
    serving: Serving,
    tls: Tls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Something else may have got the port."""
    with serving(tls) as server:
        _settings(server, monkeypatch)
        others = make_tls(tmp_path)
        monkeypatch.setenv("SESSIOND_TLS_CERT_FILE", str(others.certificate))
        monkeypatch.setenv("SESSIOND_TLS_KEY_FILE", str(others.key))
        status, printed, _ = command("health", "--timeout", "2")
        assert str(status).startswith("sessiond: no health: UNAVAILABLE")
        assert printed == ""


def test_nobody_there_is_not_healthy(command: Command) -> None:
    """In one sentence."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        status, printed, _ = command("health", "--address", f"127.0.0.1:{unused.getsockname()[1]}")
    assert str(status).startswith("sessiond: no health: UNAVAILABLE")
    assert printed == ""


@pytest.mark.parametrize("secured", [False, True])
def test_the_health_port_speaks_plaintext_whatever_the_server_speaks(
    command: Command,
    serving: Serving,
    tls: Tls,
    monkeypatch: pytest.MonkeyPatch,
    secured: bool,
) -> None:
    """Kubelets speak no TLS; `sessiond health` goes there too."""
    with serving(tls if secured else None, health_listen="127.0.0.1:0") as server:
        address = server.app.health_address
        with grpc.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert answer.status == Status.SERVING
        _settings(server, monkeypatch)
        assert command("health") == (0, "SERVING\n", "")


def test_the_health_port_answers_nothing_else(serving: Serving) -> None:
    """No service of ours is there, not even for a caller with a token."""
    with serving(health_listen="127.0.0.1:0") as server:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(server.app.health_address, options) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                Api(channel, server.mint("admin")).signing_keys()
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_without_its_store_a_server_lives_and_is_not_ready(
    command: Command, serving: Serving
) -> None:
    """So nothing restarts it for what a restart does not mend."""
    with (
        start_real_engine("valkey") as engine,
        serving(url=engine.url, health_listen="127.0.0.1:0") as server,
    ):
        address = server.app.health_address
        engine.kill9()
        eventually(lambda: command("health", "--address", address)[0] != 0)
        assert command("health", "--address", address)[0] == "sessiond: NOT_SERVING"
        assert command("health", "--address", address, "--live")[0] == 0
