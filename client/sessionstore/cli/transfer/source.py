"""The file that an import reads."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of bytes, and how much of it there is."""

    stream: BufferedReader
    size: int
    """In bytes; 0 if that is not known ahead, as of a pipe."""

    def position(self) -> int:
        """How many bytes are read, as far as that is known."""
        return os.lseek(self.stream.fileno(), 0, os.SEEK_CUR) if self.size else 0


@contextmanager
def open_source(path: str) -> Iterator[Source]:
    """Open a file, or standard input for "-".

    Raises:
        OSError: it cannot be read.
    """
    given = path == "-"
    with open(sys.stdin.fileno() if given else path, "rb", closefd=not given) as stream:
        status = os.fstat(stream.fileno())
        yield Source(stream, status.st_size if stat.S_ISREG(status.st_mode) else 0)
