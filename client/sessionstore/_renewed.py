"""What files say that somebody else renews, such as a token or a certificate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

RECHECK_S = 1.0


class Renewed(Generic[T]):
    """The latest good reading of files that belong together. Threads may share it.

    Args:
        paths: of the files; at most once a second they are looked at for changes.
        read: gives what they say.

    Raises:
        OSError, ValueError: from `read`, the first time.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[], T]) -> None:
        self._paths = paths
        self._read = read
        self._version = self._current_version()
        self._value = read()
        self._checked_at = monotonic()

    def __call__(self) -> T:
        if monotonic() - self._checked_at >= RECHECK_S:
            self._checked_at = monotonic()
            self._reread()
        return self._value

    def _reread(self) -> None:
        # While files are being replaced they may be missing, empty or of two ages: what they said
        # last still stands.
        try:
            version = self._current_version()
            if version != self._version:
                value = self._read()
                if self._current_version() == version:
                    self._value, self._version = value, version
        except (OSError, ValueError):
            return

    def _current_version(self) -> list[tuple[int, int, int]]:
        statuses = [path.stat() for path in self._paths]
        return [(each.st_mtime_ns, each.st_size, each.st_ino) for each in statuses]
