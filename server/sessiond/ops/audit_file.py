"""The file that admin acts are appended to, one JSON object a line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import structlog

from sessiond.domain.errors import StartupError
from sessiond.ops.logging import json_line


class AuditFile:
    """Appends lines, whole ones also beside other processes.

    It is opened anew for every line, so that it can be moved away at any time.
    """

    def __init__(self, path: Path) -> None:
        """Make the file, mode 600, if it is not there.

        Raises:
            StartupError: it cannot be written.
        """
        self._path = path
        self._log = structlog.get_logger("sessiond.audit")
        try:
            self._write(b"")
        except OSError as error:
            raise StartupError(
                f"cannot write the audit log {path} ({error.strerror}):"
                " set SESSIOND_AUDIT_LOG_FILE to a file that sessiond may write"
            ) from None

    def append(self, entry: Mapping[str, object]) -> None:
        """Add a line. What cannot be written is logged as an error, and stops nobody."""
        time = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        try:
            self._write(json_line({"time": time, **entry}).encode() + b"\n")
        except OSError as error:
            self._log.error("audit_log_failed", problem=error.strerror)

    def _write(self, line: bytes) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if line and _is_torn(descriptor):
                line = b"\n" + line
            if os.write(descriptor, line) < len(line):
                raise OSError(0, "it took only a part of a line")
        finally:
            os.close(descriptor)


def _is_torn(descriptor: int) -> bool:
    """Whether the last line has no end, as a full disk leaves it."""
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
