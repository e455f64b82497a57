"""The state of a proxied line, and what it does to the bytes that pass in one direction."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

_SIZES: Final = (1, 1, 2, 3, 7, 40, 400)
"""Of slices, in bytes: small enough to part any field, and not all so small that nothing moves."""


class Line(Enum):
    """What happens to all that passes, on every connection, for as long as it lasts."""

    CLEAR = auto()
    """Nothing."""
    DOWN = auto()
    """Every connection ends, and so does every new one."""
    SLOW = auto()
    """It comes `Proxy.delay_s` late."""
    SILENT = auto()
    """It is accepted and lost, both ways."""
    MUTE = auto()
    """Requests arrive and are executed; what answers them is lost."""
    DEAF = auto()
    """Requests are lost; what answers earlier ones arrives."""
    LATE = auto()
    """Requests arrive in time; what answers them comes `Proxy.delay_s` late."""
    HELD = auto()
    """So too, but what answers them waits until the line is in another state."""
    SLICED = auto()
    """It comes a few bytes at a time."""


class Direction:
    """Carries the bytes of one connection one way.

    Once bytes were lost nothing follows them, also when the line is clear again: the far end
    could make no sense of it, and the connection stays silent until somebody ends it.
    """

    def __init__(self, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        self.answers = answers
        self._writer = writer
        self._lost = False

    async def carry(self, chunk: bytes, line: Line, delay_s: float) -> None:
        """Pass a chunk on, as the line lets it."""
        self._lost |= line is Line.SILENT or line is (Line.MUTE if self.answers else Line.DEAF)
        if self._lost:
            return
        if line is Line.SLOW or (line is Line.LATE and self.answers):
            await asyncio.sleep(delay_s)
        for piece in _slices(chunk) if line is Line.SLICED else (chunk,):
            self._writer.write(piece)
            await self._writer.drain()
            if piece is not chunk:
                await asyncio.sleep(0)  # else the pieces would arrive as one


def _slices(chunk: bytes) -> Iterator[bytes]:
    while chunk:
        size = random.choice(_SIZES)
        yield chunk[:size]
        chunk = chunk[size:]
