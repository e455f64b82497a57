"""Contenders as processes, and what they cost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sessiond import devmode, settings
from sessiond.assembly.lifetimes import key_lifetimes
from sessiond.settings import ENV_PREFIX, Settings
from sessiond.store import embedded_host
from sessiond.store.embedded import EmbeddedEngine

_STOP_TIMEOUT_S: Final = 20.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_SERVES_ON: Final = re.compile(r"serves on (\S+) ")
_PROGRAM: Final = Path(__file__).resolve().parent / "contender.py"
_SETTINGS: Final = {
    "grace_time": "0",  # every refresh rotates
    # The engine does what the calls ask for, and nothing else.
    "reaper_interval": "0",
    "stats_schedule": "",
    "orphans_schedule": "",
    "log_format": "json",
    "drain_time": "1s",
}


@dataclass(frozen=True)
class Server:
    """A contender that serves."""

    kind: str
    pid: int
    address: str
    token: str
    engine: EmbeddedEngine
    log: Path
    workers: tuple[int, ...] = ()
    """The processes that serve for it, if it does not do so itself."""
    spread: int = 1
    """How many times more connections than usual a load is put on it by."""

    def cpu_s(self) -> float:
        """User and system time of all its processes and threads so far, in seconds."""
        return sum(map(cpu_s_of, (self.pid, *self.workers)))

    def memory(self) -> int:
        """Its resident memory, in bytes."""
        return self._memory("VmRSS")

    def peak_memory(self) -> int:
        """The most that its resident memory ever was, or was since it was told to forget."""
        return self._memory("VmHWM")

    def forget_peak_memory(self) -> None:
        """Make the peak what the resident memory is."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _memory(self, figure: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        _, _, rest = status.partition(f"{figure}:")
        return int(rest.split()[0]) * 1024


def cpu_s_of(pid: int) -> float:
    """User and system time of all threads of a process so far, in seconds."""
    text = Path(f"/proc/{pid}/stat").read_text()
    # The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    utime, stime = text.rpartition(")")[2].split()[11:13]
    return (int(utime) + int(stime)) / _TICKS_PER_S


def shared_settings(directory: Path) -> Settings:
    """What all contenders on a directory have in common; makes keys and a caller's token in it."""
    shared = settings.load(dev=True, data_dir=directory)
    devmode.prepare(shared)
    devmode.write_token(shared, key_lifetimes(shared))
    return shared


@contextmanager
def start(kind: str, engine: EmbeddedEngine, shared: Settings, **more: str) -> Iterator[Server]:
    """Start a contender on an engine, with these settings besides.

    The calling thread must outlive it.
    """
    command = [sys.executable, str(_PROGRAM), kind]
    log = shared.data_dir / f"{kind}-{engine.pid}.log"
    with _process(command, log, engine, shared, more) as process:
        address = process.stdout.readline().strip() if process.stdout else ""
        if not address:
            raise RuntimeError(f"{kind} did not start:\n{log.read_text()}")
        yield Server(kind, process.pid, address, _token(shared), engine, log)


@contextmanager
def start_processes(
    workers: int, engine: EmbeddedEngine, shared: Settings, spread: int
) -> Iterator[Server]:
    """Start sessiond on an engine, with so many workers, or as one process if with none.

    The calling thread must outlive it.
    """
    kind = f"sessiond, {workers} workers"
    more = {"workers": str(workers)} if workers else {}
    command = [sys.executable, "-m", "sessiond", "serve", "--dev", "--listen", "127.0.0.1:0"]
    log = shared.data_dir / f"workers-{workers}-{engine.pid}.log"
    with _process(command, log, engine, shared, more) as process:
        found = next(filter(None, map(_SERVES_ON.search, process.stdout or ())), None)
        if not found:
            raise RuntimeError(f"{kind} did not start:\n{log.read_text()}")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        pids = tuple(map(int, children))
        yield Server(kind, process.pid, found[1], _token(shared), engine, log, pids, spread)


@contextmanager
def _process(
    command: list[str], log: Path, engine: EmbeddedEngine, shared: Settings, more: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    ours = {"data_dir": str(shared.data_dir), "store_url": engine.url, **_SETTINGS, **more}
    with log.open("ab") as errors:
        process = subprocess.Popen(
            embedded_host.ends_with_parent(command),
            env=_inherited() | {ENV_PREFIX + name.upper(): value for name, value in ours.items()},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _token(shared: Settings) -> str:
    return (shared.data_dir / devmode.TOKEN_FILE).read_text().strip()


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
