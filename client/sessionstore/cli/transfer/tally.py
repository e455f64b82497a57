"""What became of the rows of a file: counted, the first of each kind told, all on request."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Final, TextIO

from sessionstore.admin_types import ImportOutcome, ImportResult
from sessionstore.cli.transfer.rows import Unreadable

UNREADABLE: Final = "UNREADABLE"
BAD: Final = (UNREADABLE, ImportOutcome.INVALID)
"""Skipped because something is wrong, not because nothing was to be done."""
OUTCOMES: Final = (*ImportOutcome, UNREADABLE)

_TOLD: Final = 3


class Tally:
    """Counts rows by outcome. Ids of the other system are never told: they may be credentials.

    Args:
        tell: takes a sentence for each of the first rows of a kind that did not come in.
        report: gets all of those rows, as JSON Lines.
    """

    def __init__(self, tell: Callable[[str], None], report: TextIO | None = None) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self.made_room = 0
        """Live sessions that ended to make room."""
        self._tell = tell
        self._report = report

    @property
    def bad(self) -> int:
        """Rows that are wrong."""
        return sum(self.counts[outcome] for outcome in BAD)

    def unreadable(self, row: Unreadable) -> None:
        """A row that was not sent."""
        self._skipped(row.line, UNREADABLE, row.reason)

    def answered(self, line: int, result: ImportResult) -> None:
        """A row that was sent."""
        if result.outcome != ImportOutcome.IMPORTED:
            self._skipped(line, result.outcome, result.description)
            return
        self.counts[result.outcome] += 1
        self.made_room += len(result.evicted_session_ids)

    def _skipped(self, line: int, outcome: str, reason: str) -> None:
        self.counts[outcome] += 1
        count = self.counts[outcome]
        if count <= _TOLD:
            self._tell(f"line {line}: {outcome}{reason and ': '}{reason}")
        elif count == _TOLD + 1:
            self._tell(f"line {line}: {outcome}; from here on these are only counted")
        if self._report:
            row = {"line": line, "outcome": str(outcome), "reason": reason}
            self._report.write(json.dumps(row, ensure_ascii=False) + "\n")
