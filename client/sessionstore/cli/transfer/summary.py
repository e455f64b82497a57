"""What an import came to, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.table import Table

from sessionstore.admin_types import ImportOutcome
from sessionstore.cli.tables import table
from sessionstore.cli.transfer.tally import OUTCOMES, UNREADABLE, Tally

_MEANINGS: Final[dict[str, str]] = {
    ImportOutcome.IMPORTED: "here now",
    ImportOutcome.EXISTS: "here before, and left as it was",
    ImportOutcome.REVOKED: "revoked over there",
    ImportOutcome.EXPIRED: "expired",
    ImportOutcome.SUPERSEDED: "newer ones fill the cap, or are of the same device",
    ImportOutcome.INVALID: "a field is wrong",
    UNREADABLE: "cannot be understood, and was not sent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many rows came to what."""

    rows: int
    outcomes: dict[str, int]
    made_room: int
    """Live sessions that ended so that others could come in."""
    validate_only: bool
    """Whether nothing was changed."""
    next_line: int | None
    """Where to go on; None if that was all."""
    seconds: float

    @classmethod
    def of(
        cls, tally: Tally, *, validate_only: bool, next_line: int | None, seconds: float
    ) -> Summary:
        """What was counted."""
        return cls(
            rows=sum(tally.counts.values()),
            outcomes={str(outcome).lower(): tally.counts[outcome] for outcome in OUTCOMES},
            made_room=tally.made_room,
            validate_only=validate_only,
            next_line=next_line,
            seconds=round(seconds, 3),
        )

    def table(self) -> Table:
        """For people."""
        made = table("OUTCOME", "ROWS", "MEANING", right=("ROWS",))
        for outcome in OUTCOMES:
            count = self.outcomes[str(outcome).lower()]
            made.add_row(str(outcome), f"{count:,}", _MEANINGS[outcome])
        return made

    def sentence(self) -> str:
        """All in all."""
        come = "would come" if self.validate_only else "came"
        room = f"; {self.made_room:,} live sessions ended to make room" if self.made_room else ""
        return f"{self.rows:,} rows, of which {self.outcomes['imported']:,} {come} in{room}"
