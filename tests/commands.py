"""Commands of sessiond, run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import structlog

from sessiond import __main__

Command = Callable[..., tuple[int | str | None, str, str]]
"""Runs a command; exit status or last words, output and errors."""


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """What runs commands, and leaves the log as it was."""

    def run(*arguments: object) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["sessiond", *map(str, arguments)])
        status: int | str | None = 0
        log = structlog.get_config()
        try:
            __main__.main()
        except SystemExit as end:
            status = end.code
        finally:
            structlog.configure(**log)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run
