"""The file that an import reads."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from io import BufferedReader


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of bytes, and how much of it there is.

    It must not be closed while somebody waits for more of it: that would wait as well.
    """

    stream: BufferedReader
    size: int
    """In bytes; 0 if that is not known ahead, as of a pipe."""

    def position(self) -> int:
        """How many bytes are read, as far as that is known."""
        if not self.size:
            return 0
        try:
            return os.lseek(self.stream.fileno(), 0, os.SEEK_CUR)
        except (ValueError, OSError):  # who reads it has come to its end, and closed it
            return self.size


def open_source(path: str) -> Source:
    """Open a file, or standard input for "-".

    Raises:
        OSError: it cannot be read.
    """
    given = path == "-"
    stream = open(sys.stdin.fileno() if given else path, "rb", closefd=not given)  # noqa: SIM115
    status = os.fstat(stream.fileno())
    return Source(stream, status.st_size if stat.S_ISREG(status.st_mode) else 0)
