"""How a stream that was cut off is gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from sessionstore._call import Stream
from sessionstore.errors import Unavailable

T = TypeVar("T")

# As long as gRPC tries other calls: it bridges a server's quick restart.
DELAYS_S = (0.05, 0.25, 1.0, 2.0)


class Resumption(Generic[T]):
    """Where a stream goes on, and how often it may be tried without an answer in between."""

    def __init__(self, stream: Stream[T]) -> None:
        self.stream = stream
        self._delays: Iterator[float] = iter(DELAYS_S)

    def passed(self, answer: Any) -> None:
        """An answer came: go on behind it."""
        self.stream = self.stream.after(answer)
        self._delays = iter(DELAYS_S)

    def delay(self, error: Unavailable) -> float:
        """Seconds to wait before the stream is sent again; raises the error if it must not be."""
        delay = next(self._delays, None) if self.stream.continues else None
        if delay is None:
            raise error
        return delay
