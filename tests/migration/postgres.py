"""A PostgreSQL 15 of one's own: on a Unix socket, in a directory that goes with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

BIN: Final = Path("/usr/lib/postgresql/15/bin")
_SERVICE_USER: Final = "postgres"
_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.02


@dataclass(frozen=True)
class Postgres:
    """A running server with an empty database."""

    directory: Path
    pid: int

    @property
    def environment(self) -> dict[str, str]:
        """Where psql, and everything else of libpq, finds it."""
        return {"PGHOST": str(self.directory), "PGUSER": "postgres", "PGDATABASE": "postgres"}

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection on which every statement is committed by itself."""
        return psycopg.connect(
            host=str(self.directory), user="postgres", dbname="postgres", autocommit=True
        )


def why_missing() -> str | None:
    """Why it cannot be started here, or None if it can."""
    if not (BIN / "postgres").exists():
        return f"PostgreSQL 15 is not in {BIN}"
    if not shutil.which("setpriv"):
        return "there is no setpriv, which starts PostgreSQL as somebody else than root"
    return None


@contextmanager
def start_postgres() -> Iterator[Postgres]:
    """Start a server, and end it. The calling thread must outlive it."""
    # Not pytest's tmp_path: its name would not fit into a socket address.
    with tempfile.TemporaryDirectory(prefix="ss-") as name:
        directory, data = Path(name), Path(name) / "data"
        if os.geteuid() == 0:
            shutil.chown(directory, _SERVICE_USER)
        initdb = [str(BIN / "initdb"), "-D", str(data), "-U", "postgres", "-E", "UTF8"]
        _run([*initdb, "--locale=C", "--auth=trust", "--no-sync"])
        with (directory / "log").open("wb") as log:
            server = subprocess.Popen(
                # Fast shutdown if this process ends first: open sessions are cut off.
                [*_as_service("--pdeathsig=INT"), *_command(data, directory)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            started = Postgres(directory, server.pid)
            _wait_until_it_answers(started, server)
            yield started
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _command(data: Path, sockets: Path) -> list[str]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "fsync": "off",
        # A zone that is none of ours: what depends on it shows.
        "timezone": "Asia/Kathmandu",
    }
    words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    return [str(BIN / "postgres"), "-D", str(data), *words]


def _run(command: list[str]) -> None:
    done = subprocess.run(
        [*_as_service(), *command], cwd="/", capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr}")


def _as_service(*options: str) -> list[str]:
    """What a command begins with, so that it does not run as root."""
    if os.geteuid() == 0:
        ids = (f"--reuid={_SERVICE_USER}", f"--regid={_SERVICE_USER}", "--clear-groups")
        return ["setpriv", *ids, *options]
    return ["setpriv", *options]


def _wait_until_it_answers(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((server.directory / "log").read_text()) from None
            time.sleep(_POLL_S)
        else:
            return
