"""Structured log lines to standard error. Values are escaped: no input makes a line of its own."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import orjson
import structlog

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_NOT_INTO_OBJECTS: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
"""What an object shows of itself is for its repr to say."""


def _on_one_line(
    _: structlog.typing.WrappedLogger, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape what is not printable: logfmt itself escapes no line end but LF."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = value.encode("unicode_escape").decode()
    return event


def json_line(event: Mapping[str, Any], **options: Any) -> str:
    """An object in ASCII, as json.dumps gives it: some readers end lines at more than LF."""
    with suppress(orjson.JSONEncodeError):
        line = orjson.dumps(event, option=_NOT_INTO_OBJECTS, **options)
        if line.isascii():
            return line.decode()
    return json.dumps(event, separators=(",", ":"), **options)


def configure(level: str, form: str) -> None:
    """Set up logging for the process: `form` is json or logfmt."""
    renderers: list[structlog.typing.Processor]
    if form == "json":
        renderers = [structlog.processors.JSONRenderer(json_line)]
    else:
        logfmt = structlog.processors.LogfmtRenderer(
            key_order=("time", "level", "event"), bool_as_flag=False
        )
        renderers = [_on_one_line, logfmt]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def mark(**fields: Any) -> None:
    """Put these fields into every line from now on."""

    def marked(
        _: structlog.typing.WrappedLogger, __: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        return {**event, **fields}

    processors = structlog.get_config()["processors"]
    structlog.configure(processors=[marked, *processors])
