"""Keys that rotate as the service rotates them, on a clock that is turned by hand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sessiond.tokens.keys import TokenKey
from sessionstore import WhenStale, _results
from sessionstore._verifying.judge import Judge
from sessionstore._verifying.rules import Rules
from tests.client.verifier.access import AUDIENCE, new_key, signing_keys, token

DAY_S = 86_400
STEP_S = 61
TERM_S = DAY_S // 3
"""How long a key signs."""
EPOCH_S = 1_790_000_000


class Clock:
    """A clock that stands still until it is moved."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def published(keys: list[TokenKey], now_s: float) -> list[TokenKey]:
    """Those that sign within 10 minutes, sign, or signed tokens that are good."""
    return keys[int(max(now_s - 3700, 0) // TERM_S) : int((now_s + 600) // TERM_S) + 1]


def test_while_keys_rotate_no_good_token_fails(tmp_path: Path) -> None:
    """Each is published for 10 minutes before it signs, and cached for 5; two days, in seconds."""
    keys = [new_key(tmp_path / str(number)) for number in range(7)]
    clock = Clock()
    judge = Judge(Rules(AUDIENCE, 5.0, WhenStale.REFUSE, 30.0, 100), clock)
    fetched = taken = 0
    for _ in range(0, 2 * DAY_S, STEP_S):
        clock.now_s += STEP_S
        at_s = EPOCH_S + clock.now_s
        judge.feed.freshness.opened(clock.now_s, at_s)
        judge.feed.freshness.checkpoint(at_s, clock.now_s)
        if judge.keys.are_due(clock.now_s) and judge.keys.asking(clock.now_s):
            answer = signing_keys(published(keys, clock.now_s), timedelta(minutes=5))
            judge.keys.took(_results.signing_keys(answer), clock.now_s, clock.now_s)
            fetched += 1
        for issued_s in (clock.now_s, clock.now_s - 3600):
            signer = keys[int(max(issued_s, 0) // TERM_S)]
            assert judge.verify(token(signer, at_s=EPOCH_S + issued_s, exp=int(at_s) + 60))
            taken += 1
    print(f"6 rotations, {fetched} fetches, {taken} tokens taken")  # noqa: T201
    assert fetched < 2 * DAY_S / 100
