"""The lines of a file, numbered, in bounded memory whatever the file holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper

LONGEST = 65_536
"""Characters of a line, or of a CSV record over several lines, that are kept."""

_ENDS = ("\n", "\r")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Line:
    """One line."""

    number: int
    """From 1."""
    text: str
    """Without its end. Bytes that are not UTF-8 are in it as surrogates (PEP 383)."""
    end: str
    """Newline, carriage return, both, or nothing at the end of the file."""
    quotes: int
    """Double quotes in all of it, also where it is cut."""
    cut: bool
    """Whether it was longer than `LONGEST`."""


class Lines:
    """The lines of a stream that end in any way, in UTF-8 with or without a byte order mark.

    Raises:
        ValueError: it is UTF-16.
    """

    def __init__(self, stream: BufferedReader) -> None:
        if stream.peek(2)[:2] in _UTF16:
            raise ValueError("the file is UTF-16: save it as UTF-8")
        self._text = TextIOWrapper(
            stream, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        self._number = 0
        self._ahead: Line | None = None

    def __iter__(self) -> Iterator[Line]:
        while line := self._next():
            yield line

    def first(self) -> Line | None:
        """The next line that is not blank, which stays the next; None at the end."""
        while (line := self._next()) and not line.text.strip():
            pass
        self._ahead = line
        return line

    def _next(self) -> Line | None:
        ahead, self._ahead = self._ahead, None
        return ahead or self._read()

    def _read(self) -> Line | None:
        text = self._text.readline(LONGEST)
        if not text:
            return None
        self._number += 1
        quotes, piece = text.count('"'), text
        while not piece.endswith(_ENDS) and (piece := self._text.readline(LONGEST)):
            quotes += piece.count('"')
        whole = text.endswith(_ENDS) or len(text) < LONGEST
        bare = text.rstrip("\r\n")
        return Line(self._number, bare, text[len(bare) :], quotes, cut=not whole)
