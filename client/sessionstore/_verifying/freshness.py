"""How far a watcher is behind, and what the engine's clock says.

docs/decisions/0005-the-age-of-a-verifier.md says why.
"""

from __future__ import annotations

from math import inf

DRIFT = 500e-6
"""The most by which two clocks part, as a share of the time: what NTP steers by (RFC 5905)."""


class Freshness:
    """What handshakes and checkpoints tell of the engine's clock. One thread tells, any may ask.

    It holds the most that the engine's clock can be ahead of this machine's steady one. Too much
    makes a watcher feel older than it is, and tokens expire early; too little is never held.
    """

    def __init__(self, now_s: float, wall_s: float) -> None:
        """Until the first handshake this machine's own time of day stands in for the engine's."""
        self._bound = wall_s - now_s, now_s
        self._checkpoint_s = -inf
        self._known_s = -inf

    def opened(self, sent_s: float, store_s: float) -> None:
        """A stream has opened: `store_s` was read after the request had been sent at `sent_s`."""
        ahead_s = store_s - sent_s
        self._bound = ahead_s, sent_s
        # If the clock was put forward unseen, the last checkpoint is older than it was taken for.
        self._known_s = min(self._known_s, self._checkpoint_s - ahead_s)

    def checkpoint(self, store_s: float, received_s: float) -> None:
        """All that happened up to `store_s` has been received by `received_s`."""
        ahead_s = store_s - received_s
        if ahead_s > self._ahead_s(received_s):  # the engine's clock was put forward
            self._bound = ahead_s, received_s
        self._checkpoint_s = store_s
        self._known_s = max(self._known_s, store_s - self._ahead_s(received_s))

    def store_s(self, now_s: float) -> float:
        """The engine's clock: surely not later than this."""
        return now_s + self._ahead_s(now_s)

    def age_s(self, now_s: float) -> float:
        """All that happened longer ago has been received; infinite before the first checkpoint."""
        return now_s - self._known_s

    def _ahead_s(self, now_s: float) -> float:
        ahead_s, since_s = self._bound
        return ahead_s + DRIFT * (now_s - since_s)
