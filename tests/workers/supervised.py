"""A supervisor with workers, as processes, and what their logs and the system say of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sessiond.store import embedded_host
from tests.rpc.process import Sessiond, environment
from tests.rpc.serving import eventually

_PROGRAM: Final = Path(__file__).with_name("program.py")
_PATIENCE_S: Final = 60.0
_DEV: Final = {"dev": True, "listen": "127.0.0.1:0", "workers": 2, "log_format": "json"}


@dataclass
class Supervised(Sessiond):
    """A server of several processes, whose settings are in a file."""

    file: Path

    def configure(self, **settings: object) -> None:
        """Write other settings to the file; a reload reads them."""
        kept = json.loads(self.file.read_text())
        self.file.write_text(json.dumps({**kept, **settings}, default=str))

    def events(self, name: str, **fields: object) -> list[dict[str, Any]]:
        """Log lines of an event that have these fields."""
        return [e for e in self.log if e["event"] == name and fields.items() <= e.items()]

    def wait_for(self, name: str, count: int = 1, **fields: object) -> list[dict[str, Any]]:
        """Wait until there are so many log lines of an event; all of them."""
        eventually(
            lambda: len(self.events(name, **fields)) >= count or self.process.poll() is not None,
            within_s=_PATIENCE_S,
        )
        found = self.events(name, **fields)
        assert len(found) >= count, self.errors.read_text()
        return found

    def pids(self) -> dict[int, int]:
        """Of each worker that runs, its process."""
        started = {e["worker"]: e["pid"] for e in self.events("worker_started")}
        return {number: pid for number, pid in started.items() if runs(pid)}

    def end_worker(self, number: int, how: signal.Signals) -> None:
        """Send a signal to a worker, and wait until the next of its number has used the store."""
        births = len(self.events("worker_started", worker=number))
        os.kill(self.pids()[number], how)
        self.wait_for("worker_started", births + 1, worker=number)
        self.wait_for("store_ready", births + 1, worker=number)

    def reload(self) -> str:
        """Send SIGHUP and wait for what comes of it: empty, or why it was refused."""
        before = len(self._outcomes())
        self.process.send_signal(signal.SIGHUP)
        eventually(
            lambda: len(self._outcomes()) > before or self.process.poll() is not None,
            within_s=_PATIENCE_S,
        )
        return str(self._outcomes()[before].get("problem", ""))

    def _outcomes(self) -> list[dict[str, Any]]:
        return [
            e
            for e in self.log
            if e["event"] == "reload_refused" or (e["event"] == "reloaded" and "worker" not in e)
        ]


@contextmanager
def supervised(directory: Path, **settings: object) -> Iterator[Supervised]:
    """Start a supervisor; it is killed if it still runs. The calling thread must outlive it."""
    file, output, errors = (directory / name for name in ("settings", "out", "err"))
    given = {**_DEV, **settings}
    file.write_text(json.dumps(given, default=str))
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        process = subprocess.Popen(
            embedded_host.ends_with_parent([sys.executable, str(_PROGRAM), str(file)]),
            cwd=directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    server = Supervised(process, output, errors, file)
    try:
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        # Without a supervisor they end by themselves, but for those that a test has stopped.
        for pid in server.pids().values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def runs(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
