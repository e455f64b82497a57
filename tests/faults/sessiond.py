"""A real `sessiond` of one's own: a process on a free port, with its data in a directory."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sessiond.devmode import TOKEN_FILE
from sessiond.settings import ENV_PREFIX
from sessiond.store import embedded_host as host
from sessiond.store.embedded import EmbeddedEngine
from tests.transport import chosen

_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.02
_SERVES_ON: Final = re.compile(r"serves on (\S+) ")


@dataclass
class Sessiond:
    """A server process in development mode; it may be killed, and started again where it served."""

    directory: Path
    settings: Mapping[str, str]
    """In upper case or lower."""
    address: str = "127.0.0.1:0"
    """Where it serves, once it does."""
    token: str = ""
    """A service token of a caller with role admin."""
    program: Sequence[str] = ("-m", "sessiond")
    """What Python runs."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def embedded_url(self) -> str:
        """Its embedded engine, for those who look behind it."""
        return EmbeddedEngine(self.directory / "store").url

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def keys_dir(self) -> Path:
        """Its key ring."""
        return self._data_dir / "keys"

    def start(self) -> None:
        """Start it; wait for `serving` before use. The calling thread must outlive the server."""
        ours = {"data_dir": str(self.directory), "log_level": "warning", "drain_time": "2s"}
        ours |= {key.lower(): value for key, value in self.settings.items()}
        ours |= chosen(ours)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(ENV_PREFIX)}
        serve = ("serve", "--dev", "--listen", self.address)
        command = [sys.executable, *self.program, *serve]
        with self._out.open("wb") as out, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                host.ends_with_parent(command),
                cwd=self.directory,
                env=inherited | {ENV_PREFIX + key.upper(): value for key, value in ours.items()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )

    async def serving(self) -> None:
        """Return once the server is ready; it is asked for without blocking the event loop."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not (found := _SERVES_ON.search(self._out.read_text())):
            self.must_run()
            if time.monotonic() > deadline:
                raise RuntimeError(f"sessiond did not start:\n{self.log()}")
            await asyncio.sleep(_POLL_S)
        self.address = found[1]
        self.token = (self._data_dir / TOKEN_FILE).read_text().strip()

    def must_run(self) -> None:
        """Fail if it has ended without being told to."""
        status = None if self._process is None else self._process.poll()
        if status is not None:
            raise RuntimeError(f"sessiond has ended with exit status {status}:\n{self.log()}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill9(self) -> None:
        """SIGKILL, and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End it in order; a second call does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            status = process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"sessiond did not stop:\n{self.log()}") from None
        if status:
            raise RuntimeError(f"sessiond ended with exit status {status}:\n{self.log()}")

    def log(self) -> str:
        """What it wrote to its log."""
        return self._log.read_text(errors="replace")

    @property
    def _data_dir(self) -> Path:
        return Path(self.settings.get("data_dir", self.directory))

    @property
    def _out(self) -> Path:
        return self.directory / "out"

    @property
    def _log(self) -> Path:
        return self.directory / "log"


@contextmanager
def start_sessiond(
    *, program: Sequence[str] = Sessiond.program, **settings: str
) -> Iterator[Sessiond]:
    """Start a server with these settings, in upper case or lower; it ends in order afterwards.

    Wait for `serving` before use. The calling thread must outlive the server.
    """
    with tempfile.TemporaryDirectory(prefix="ss-") as name:
        server = Sessiond(Path(name), settings, program=program)
        try:
            server.start()
            yield server
        finally:
            server.stop()
