"""A real `sessiond` of one's own: a process on a free port, with its data in a directory."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sessiond.devmode import TOKEN_FILE
from sessiond.settings import ENV_PREFIX
from sessiond.store import embedded_host as host
from sessiond.store.embedded import EmbeddedEngine

_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.02
_SERVES_ON: Final = re.compile(r"serves on (\S+) ")


@dataclass
class Sessiond:
    """A server process in development mode."""

    directory: Path
    process: subprocess.Popen[bytes]
    address: str = ""
    """Where it serves, once it does."""
    token: str = ""
    """A service token of a caller with role admin."""

    @property
    def embedded_url(self) -> str:
        """Its embedded engine, for those who look behind it."""
        return EmbeddedEngine(self.directory / "store").url

    async def serving(self) -> None:
        """Return once the server is ready; it is asked for without blocking the event loop."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not (found := _SERVES_ON.search((self.directory / "out").read_text())):
            self.must_run()
            if time.monotonic() > deadline:
                raise RuntimeError(f"sessiond did not start:\n{self.log()}")
            await asyncio.sleep(_POLL_S)
        self.address = found[1]
        self.token = (self.directory / TOKEN_FILE).read_text().strip()

    def must_run(self) -> None:
        """Fail if it has ended: no test here ends it."""
        status = self.process.poll()
        if status is not None:
            raise RuntimeError(f"sessiond has ended with exit status {status}:\n{self.log()}")

    def log(self) -> str:
        """What it wrote to its log."""
        return (self.directory / "log").read_text(errors="replace")


@contextmanager
def start_sessiond(**settings: str) -> Iterator[Sessiond]:
    """Start a server with these settings, in upper case or lower; it ends in order afterwards.

    Wait for `serving` before use. The calling thread must outlive the server.
    """
    with tempfile.TemporaryDirectory(prefix="ss-") as name:
        directory = Path(name)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(ENV_PREFIX)}
        ours = {"data_dir": name, "log_level": "warning", "drain_time": "2s", **settings}
        command = [sys.executable, "-m", "sessiond", "serve", "--dev", "--listen", "127.0.0.1:0"]
        with (directory / "out").open("wb") as out, (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                host.ends_with_parent(command),
                cwd=directory,
                env=inherited | {ENV_PREFIX + key.upper(): value for key, value in ours.items()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        server = Sessiond(directory, process)
        try:
            yield server
        finally:
            _stop(server)


def _stop(server: Sessiond) -> None:
    process = server.process
    process.terminate()
    try:
        status = process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(f"sessiond did not stop:\n{server.log()}") from None
    if status:
        raise RuntimeError(f"sessiond ended with exit status {status}:\n{server.log()}")
