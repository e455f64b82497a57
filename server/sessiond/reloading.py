"""What files say, read again as they change: after a bad change, what they said before stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from sessiond.domain.errors import StartupError

T = TypeVar("T")

_Identity = tuple[tuple[int, ...] | None, ...]


class Reloaded(Generic[T]):
    """The latest good reading of files that belong together.

    Readers see one reading or the next, never a mixture; `reload_if_changed` may run in another
    thread than they do, but in one at a time.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[], T]) -> None:
        """Read the files.

        Args:
            paths: of the files.
            read: gives what they say; raises StartupError if that cannot be used.

        Raises:
            StartupError: from `read`.
        """
        self._paths: Final = tuple(paths)
        self._read: Final = read
        self._reported: tuple[object, str] = (None, "")
        # Before they are read: a change in between is seen as one at the next look.
        self._identity = self._identify()
        self._value = read()

    @property
    def value(self) -> T:
        """What the files said when they were last good."""
        return self._value

    def reload_if_changed(self) -> bool:
        """Read the files again if the time, size or inode of one has changed.

        Returns:
            Whether the value was replaced.

        Raises:
            StartupError: they are bad, raised once for each change of them; the value stays.
        """
        identity = self._identify()
        if identity == self._identity:
            return False
        try:
            value = self._read()
        except StartupError as error:
            report = (identity, str(error))
            if report == self._reported:
                return False
            self._reported = report
            raise
        if self._identify() != identity:
            return False  # of two ages, perhaps: at the next look they may be at rest
        self._identity, self._value = identity, value
        return True

    def _identify(self) -> _Identity:
        return tuple(map(_identify, self._paths))


def _identify(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
