"""sessionctl as a process that is measured, on a terminal that shows what it draws."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from serving import Server

_PROGRAM: Final = Path(sys.executable).parent / "sessionctl"
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FRAME: Final = re.compile(r"import .*? \d+:\d\d:\d\d")


@dataclass(frozen=True)
class Done:
    """How a run ended."""

    status: int
    said: dict[str, Any]
    """The JSON that it printed."""
    cpu_s: float
    peak_bytes: int
    """The most memory that it held (peak resident set)."""
    frames: tuple[str, ...]
    """What its progress bar showed, each once."""


class Sessionctl:
    """A run that has begun."""

    def __init__(self, server: Server, *arguments: str) -> None:
        terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [str(_PROGRAM), *arguments, "-o", "json"],
            env=_environment(server),
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        self._drawn = bytearray()
        self._peak_bytes = 0
        self._watch = threading.Thread(target=self._follow, args=(terminal,), daemon=True)
        self._watch.start()

    def interrupt(self) -> Self:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        return self

    def wait(self) -> Done:
        """Its end."""
        out = self._process.stdout
        said = json.loads(out.read()) if out else {}
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._watch.join()
        text = _ESCAPES.sub("", self._drawn.decode(errors="replace"))
        return Done(
            status=self._process.returncode,
            said=said,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_bytes=self._peak_bytes,
            frames=tuple(dict.fromkeys(_FRAME.findall(text))),
        )

    def _follow(self, terminal: int) -> None:
        while True:
            try:
                drawn = os.read(terminal, 65_536)
            except OSError:  # the other end is closed
                os.close(terminal)
                return
            self._drawn += drawn
            # Its usage as a child tells the peak of this process instead, if that was higher.
            with suppress(OSError):  # it has ended
                self._peak_bytes = peak_bytes(self._process.pid) or self._peak_bytes


def peak_bytes(pid: int) -> int:
    """The most memory that a process has held; 0 if it has just ended."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def _environment(server: Server) -> Mapping[str, str]:
    token_file = server.log.parent / "sessionctl.token"
    token_file.write_text(server.token)
    return os.environ | {
        "SESSIONSTORE_ADDRESS": server.address,
        "SESSIONSTORE_TOKEN_FILE": str(token_file),
        "COLUMNS": "80",
        "TERM": "xterm",
    }
