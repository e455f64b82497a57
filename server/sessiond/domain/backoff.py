"""How long to wait before something that has died is started again."""

from __future__ import annotations


class Backoff:
    """Twice the delay of the last time, from the first to the longest; all in seconds."""

    def __init__(self, first_s: float, longest_s: float, steady_s: float) -> None:
        """Set the delays.

        Args:
            first_s: the shortest delay.
            longest_s: the longest one.
            steady_s: what ran for longer was well, and its death begins anew.
        """
        self._first_s = first_s
        self._longest_s = longest_s
        self._steady_s = steady_s
        self._next_s = first_s

    def after(self, ran_s: float) -> float:
        """The delay after a run of so many seconds; 0 for one that never got to run."""
        delay = self._first_s if ran_s > self._steady_s else self._next_s
        self._next_s = min(2 * delay, self._longest_s)
        return delay
