"""What the server writes to its log."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
import structlog

from sessiond.ops import logging

Form = Literal["json", "logfmt"]


class Log(io.StringIO):
    """Everything written so far."""

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The lines of a JSON log."""
        return [json.loads(line) for line in self.lines]


@contextmanager
def captured(form: Form = "json", level: str = "debug") -> Iterator[Log]:
    """Log into memory, exactly as `sessiond serve` does to standard error."""
    before, log = structlog.get_config(), Log()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", log)
        logging.configure(level, form)
    try:
        yield log
    finally:
        structlog.configure(**before)
