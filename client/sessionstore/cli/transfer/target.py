"""Where an export goes: standard output, or a file that is there once it is complete."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Protocol


class Target(Protocol):
    """Takes the text of an export in pieces of whole rows."""

    def write(self, text: str) -> None:
        """Add some rows."""

    def keep(self) -> None:
        """Stop for now, behind the last piece."""

    def complete(self) -> None:
        """That was all."""


class StandardOutput:
    """What is written is out of hand."""

    def write(self, text: str) -> None:
        """Add some rows, in UTF-8 whatever the locale."""
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()

    def keep(self) -> None:
        """Nothing is left to do."""

    def complete(self) -> None:
        """Nothing is left to do."""


class PartialFile:
    """A file beside the target that takes its name when it is complete.

    Args:
        path: the target.
        resumed: go on with what an interrupted export left.

    Raises:
        OSError: it cannot be written; FileNotFoundError if there is nothing to go on with.
    """

    def __init__(self, path: Path, *, resumed: bool) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.part")
        how = os.O_APPEND if resumed else os.O_CREAT | os.O_TRUNC
        # Who is logged in, and from where, is for its owner only.
        descriptor = os.open(self._partial, os.O_WRONLY | how, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._end = os.fstat(descriptor).st_size

    def write(self, text: str) -> None:
        """Add some rows."""
        data = text.encode()
        self._file.write(data)
        self._file.flush()
        self._end += len(data)

    def keep(self) -> None:
        """Stop for now, behind the last piece that was written whole."""
        self._file.close()
        os.truncate(self._partial, self._end)

    def complete(self) -> None:
        """Give it its name."""
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.replace(self._path)


def open_target(path: str, *, resumed: bool = False) -> Target:
    """Standard output for "-", else a file.

    Raises:
        OSError: it cannot be written.
    """
    return StandardOutput() if path == "-" else PartialFile(Path(path), resumed=resumed)
