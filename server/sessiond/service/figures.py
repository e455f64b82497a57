"""What became of the tokens that were presented, counted for operators."""

from __future__ import annotations

from typing import Final

from sessiond.domain.errors import Reason
from sessiond.domain.session import Outcome, Verdict

_REFUSED: Final = {
    Reason.REFRESH_TOKEN_REUSED: "REUSED",
    Reason.REFRESH_TOKEN_AHEAD: "AHEAD",
    Reason.REFRESH_TOKEN_INVALID: "INVALID",
    Reason.SESSION_ENDED: "ENDED",
    Reason.SESSION_EXPIRED: "EXPIRED",
    Reason.SESSION_NOT_FOUND: "NOT_FOUND",
}
"""What refused refreshes are called; those that failed for another reason do not count."""


class SessionFigures:
    """Those of one server, since its start."""

    def __init__(self) -> None:
        self.refreshes = dict.fromkeys([o.name for o in Outcome] + list(_REFUSED.values()), 0)
        """By outcome."""
        self.validations = dict.fromkeys(Verdict, 0)
        """By verdict."""

    def refreshed(self, outcome: Outcome) -> None:
        """Count a refresh token that gave new tokens."""
        self.refreshes[outcome.name] += 1

    def refused(self, reason: Reason) -> None:
        """Count a refresh token that gave none, if that is because of the token."""
        if reason in _REFUSED:
            self.refreshes[_REFUSED[reason]] += 1
