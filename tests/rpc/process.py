"""`sessiond` as a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from sessiond.store import embedded_host
from tests.rpc.calls import Api
from tests.rpc.serving import eventually
from tests.transport import chosen

_TIMEOUT_S: Final = 30.0
_START_TIMEOUT_S: Final = 90.0
"""Of several processes, on a machine that does more."""
_WELCOME: Final = re.compile(r"serves on (\S+) \(development")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sessiond", *arguments]


def environment(**settings: object) -> dict[str, str]:
    """This process's, with no setting but those named, and the transport that all have."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SESSIOND_")}
    settings = chosen(settings) | settings
    return kept | {f"SESSIOND_{k.upper()}": str(v) for k, v in settings.items()}


def run(directory: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=directory,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def refused_start(directory: Path, *arguments: str, **settings: Any) -> str:
    """The one line, log lines aside, that a start ends with; nothing of it goes on."""
    done = run(directory, "serve", *arguments, log_format="json", **settings)
    assert (done.returncode, done.stdout) == (1, "")
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(said) == 1, done.stderr
    assert said[0].startswith("sessiond: ")
    assert not engines_on(directory)
    return said[0]


@dataclass
class Sessiond:
    """A server process; its output is in files, so that it never waits for a reader."""

    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    @property
    def printed(self) -> str:
        return self.output.read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        *lines, _ = self.errors.read_text().split("\n")  # the last one may not be whole
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def address(self) -> str:
        return str(next(e["address"] for e in self.log if e["event"] == "serving"))

    @property
    def token(self) -> str:
        (token,) = re.findall(r"^  (ey\S+)$", self.printed, re.MULTILINE)
        return str(token)

    def memory(self) -> int:
        """Bytes that it holds in memory."""
        return self._status("VmRSS")

    def peak_memory(self) -> int:
        """The most bytes that it held since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Begin a peak anew, from what it holds by now (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[0]) * 1024

    def logged(self, event: str) -> bool:
        return any(entry["event"] == event for entry in self.log)

    def wait_until(self, event: str) -> None:
        """Until it has logged an event."""
        eventually(
            lambda: self.logged(event) or self.process.poll() is not None,
            within_s=_START_TIMEOUT_S,
        )
        assert self.logged(event), self.errors.read_text()

    def wait_until_welcome(self) -> None:
        """Until it has printed its address and token."""
        eventually(
            lambda: _WELCOME.search(self.printed) or self.process.poll(), within_s=_START_TIMEOUT_S
        )
        assert _WELCOME.search(self.printed), self.errors.read_text()

    def ends(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(_TIMEOUT_S)


@contextmanager
def sessiond(directory: Path, *arguments: str, **settings: object) -> Iterator[Sessiond]:
    """`sessiond serve`, killed if it still runs. The calling thread must outlive it."""
    output, errors = directory / "sessiond.out", directory / "sessiond.err"
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        process = subprocess.Popen(
            embedded_host.ends_with_parent(command("serve", *arguments)),
            cwd=directory,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        yield Sessiond(process, output, errors)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextmanager
def called(address: str, token: str) -> Iterator[Api]:
    """Calls over a channel that is closed afterwards."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options) as channel:
        yield Api(channel, token)


def engines_on(directory: Path) -> list[int]:
    """The pids of engines whose data is under a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "valkey" in words[0] and any(word.startswith(str(directory)) for word in words):
            found.append(int(entry.name))
    return found
