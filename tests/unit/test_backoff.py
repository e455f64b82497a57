"""Delays between restarts."""

from __future__ import annotations

from sessiond.domain.backoff import Backoff


def test_delays_double_up_to_the_longest() -> None:
    """And stay there."""
    backoff = Backoff(0.5, 3.0, 10.0)
    assert [backoff.after(0) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_steady_run_begins_anew() -> None:
    """One that was just not long enough does not."""
    backoff = Backoff(0.5, 3.0, 10.0)
    assert [backoff.after(ran_s) for ran_s in (0, 10, 10.1, 1)] == [0.5, 1.0, 0.5, 1.0]
