"""One stream of updates, for threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from sessionstore._transport import Answers
from sessionstore.watch_types import WatchUpdate


class Watch(Iterator[WatchUpdate]):
    """The updates of one stream; a context manager that closes it. `SessionClient.watch` opens it.

    One thread reads it. Any may close it: the reader is then told that there are no more.
    """

    def __init__(self, answers: Answers, read: Callable[[Any], WatchUpdate]) -> None:
        self._answers = answers
        self._read = read

    def __next__(self) -> WatchUpdate:
        return self._read(next(self._answers))

    def close(self) -> None:
        """End the stream."""
        self._answers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
