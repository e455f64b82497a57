"""Runs sessionctl, in this process or on a terminal of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from subprocess import Popen
from typing import Any

from typer.testing import CliRunner

from sessionstore.cli.app import app
from tests.rpc.serving import eventually

COLUMNS = 80
_LINES = 50

# A progress bar redraws its line: from a carriage return to the erasing of the line it goes.
_OVERWRITTEN = re.compile(r"\x1b\[\?25l.*\x1b\[\?25h.*?\x1b\[2K", re.DOTALL)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The documents on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def rows(self) -> list[list[str]]:
        """The words of each line on stdout."""
        return [line.split() for line in self.out.splitlines()]


class Sessionctl:
    """A shell whose environment names a service."""

    def __init__(self, **environment: str) -> None:
        self.environment = {"COLUMNS": str(COLUMNS), **environment}

    def __call__(self, *arguments: str, stdin: str = "", code: int = 0) -> Ended:
        """Run a command that must end with the code; every line for people fits the terminal."""
        runner = CliRunner(env=self.environment)
        result = runner.invoke(app, arguments, input=stdin, prog_name="sessionctl")
        ended = Ended(result.exit_code, result.stdout, result.stderr)
        assert ended.code == code, ended
        assert "Traceback" not in ended.err
        return ended

    def on_terminal(
        self,
        *arguments: str,
        answer: str = "",
        interrupt_when: Callable[[], object] | None = None,
    ) -> str:
        """What a process shows on a terminal of 80 columns; its exit code in the last line.

        Args:
            arguments: of the command.
            answer: typed beforehand.
            interrupt_when: Ctrl-C is pressed once this holds.
        """
        master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, COLUMNS, 0, 0))
        os.write(master, answer.encode())
        environment = {**os.environ, **self.environment, "TERM": "xterm"}
        del environment["COLUMNS"]
        command = [str(Path(sys.executable).parent / "sessionctl"), *arguments]
        with Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
            os.close(slave)
            try:
                if interrupt_when:
                    eventually(interrupt_when)
                    process.send_signal(signal.SIGINT)
                shown = _everything(master)
            except BaseException:
                process.kill()
                raise
        os.close(master)
        return f"{shown}exit {process.returncode}"


def _everything(master: int) -> str:
    """What is written until the other side is closed, without styles and what was overwritten."""
    parts = []
    with suppress(OSError):  # how Linux says that the other side is closed
        while part := os.read(master, 65536):
            parts.append(part)
    shown = _OVERWRITTEN.sub("", b"".join(parts).decode())
    return _STYLE.sub("", shown).replace("\r\n", "\n")


def fits(text: str) -> bool:
    """Whether no line is wider than the terminal."""
    return all(len(line) <= COLUMNS for line in text.splitlines())
