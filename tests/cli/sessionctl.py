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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from select import select
from subprocess import PIPE, Popen
from typing import Any

from typer.testing import CliRunner

from sessionstore.cli.app import app

COLUMNS = 80
PROGRAM = str(Path(sys.executable).parent / "sessionctl")
LINES = 50
_LOOK_S = 0.05

_WRITTEN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+")


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


class Running:
    """A command that goes on until it is told to end."""

    def __init__(self, process: Popen[str]) -> None:
        self._process = process

    def line(self) -> Any:
        """The next document on stdout, waited for."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, self._process.communicate()
        return json.loads(line)

    def said(self, words: str) -> str:
        """The line of stderr that has these words, waited for."""
        assert self._process.stderr
        while words not in (line := self._process.stderr.readline()):
            assert line, f"{words} was never said"
        return line

    def unread(self) -> int:
        """Nobody reads its stdout any more; its exit code."""
        assert self._process.stdout
        self._process.stdout.close()
        return self._process.wait()

    def interrupt(self) -> Ended:
        """Ctrl-C, and what was not read of it."""
        self._process.send_signal(signal.SIGINT)
        out, err = self._process.communicate()
        return Ended(self._process.returncode, out, err)


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

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Running]:
        """A process whose lines are read as they come; killed if the test has not ended it."""
        with Popen(
            [PROGRAM, *arguments],
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, **self.environment},
            text=True,
        ) as process:
            try:
                yield Running(process)
            finally:
                process.kill()

    def on_terminal(
        self,
        *arguments: str,
        answer: str = "",
        interrupt_when: Callable[[str], object] | None = None,
    ) -> str:
        """What a process shows on a terminal of 80 columns; its exit code in the last line.

        Args:
            arguments: of the command.
            answer: typed beforehand.
            interrupt_when: Ctrl-C is pressed once this holds of what stands there.
        """
        master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        os.write(master, answer.encode())
        environment = {**os.environ, **self.environment, "TERM": "xterm"}
        for fixed in ("COLUMNS", "LINES"):
            environment.pop(fixed, None)
        command = [PROGRAM, *arguments]
        written, interrupted = b"", False
        with Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
            os.close(slave)
            try:
                for part in _parts(master):
                    written += part
                    if interrupt_when and not interrupted and interrupt_when(_standing(written)):
                        process.send_signal(signal.SIGINT)
                        interrupted = True
            except BaseException:
                process.kill()
                raise
        os.close(master)
        return f"{_standing(written)}exit {process.returncode}"


def _parts(master: int) -> Iterator[bytes]:
    """What is written until the other side is closed; now and then nothing."""
    with suppress(OSError):  # how Linux says that the other side is closed
        while True:
            ready, _, _ = select([master], [], [], _LOOK_S)
            yield os.read(master, 65536) if ready else b""


def _standing(written: bytes) -> str:
    """What is left of it on an endless terminal, without styles and what was overwritten."""
    lines, at = [""], 0
    for part in _WRITTEN.findall(written.decode(errors="ignore")):
        match part:
            case "\n":
                at += 1
                lines += [""] if at == len(lines) else []
            case "\x1b[1A":
                at -= 1
            case "\x1b[2K":
                lines[at] = ""
            case _ if part[0] not in "\x1b\r":
                lines[at] += part
    return "\n".join(lines)


def fits(text: str) -> bool:
    """Whether no line is wider than the terminal."""
    return all(len(line) <= COLUMNS for line in text.splitlines())
