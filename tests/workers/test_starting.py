"""How a supervisor starts, fails to, and tells systemd."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from sessiond.running import systemd
from tests.rpc.process import engines_on, refused_start, sessiond
from tests.rpc.serving import eventually
from tests.workers.supervised import supervised

DEV = {"listen": "127.0.0.1:0"}


def test_what_a_worker_cannot_start_with_ends_the_start(directory: Path) -> None:
    """With its sentence, once, and nothing left."""
    (directory / "callers.toml").write_text("[callers.x]\nroles = ['king']\n")
    callers = directory / "callers.toml"
    said = refused_start(directory, "--dev", "--workers", "1", callers_file=callers, **DEV)
    assert "callers.x" in said


def test_workers_are_counted(directory: Path) -> None:
    """From 1 on."""
    said = refused_start(directory, "--dev", "--workers", "0", **DEV)
    assert said.startswith("sessiond: SESSIOND_WORKERS (--workers): ")


def test_a_stop_does_not_wait_for_the_start(directory: Path) -> None:
    """Workers that are not up yet are ended, and so is the engine."""
    with supervised(directory) as server:
        server.wait_for("worker_started", 2)
        assert server.ends(signal.SIGTERM) == 0
        assert not server.pids()
        assert not engines_on(directory)


@pytest.mark.parametrize("workers", [(), ("--workers", "1")])
def test_systemd_is_told(
    directory: Path, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    """By who it has started, and nobody else: of the start, a reload and the stop."""
    address = "\0" + directory.name + workers.__repr__()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(60)
        monkeypatch.setenv(systemd.SOCKET_VARIABLE, "@" + address[1:])
        with sessiond(directory, "--dev", *workers, log_format="json", **DEV) as server:
            assert manager.recv(1024) == b"READY=1"
            server.wait_until_welcome()
            if workers:
                server.process.send_signal(signal.SIGHUP)
                assert manager.recv(1024).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
                assert manager.recv(1024) == b"READY=1"
                eventually(lambda: server.logged("reloaded"))
            server.process.send_signal(signal.SIGTERM)
            assert manager.recv(1024) == b"STOPPING=1"
            assert server.process.wait(30) == 0
            manager.setblocking(False)
            with pytest.raises(BlockingIOError):
                manager.recv(1024)
