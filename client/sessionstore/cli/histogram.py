"""Plain histograms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from rich.table import Table

from sessionstore.admin_types import DurationBar, UsersBar
from sessionstore.cli.durations import short

_WIDEST = 40
_MOST_BARS = 16

Bar = tuple[str, int]


def histogram(title: str, bars: Sequence[Bar]) -> Table:
    """A bar for each label, the longest 40 columns wide; what is not zero shows."""
    made = Table(box=None, pad_edge=False, show_header=False, title=title, title_justify="left")
    made.title_style = "bold"
    made.add_column(justify="right", no_wrap=True)
    made.add_column(justify="right", no_wrap=True)
    made.add_column(no_wrap=True)
    most = max((count for _, count in bars), default=0)
    for label, count in bars:
        made.add_row(label, f"{count:,}", "#" * -(-count * _WIDEST // most) if most else "")
    return made


def by_sessions(bars: Sequence[UsersBar]) -> list[Bar]:
    """Users by number of sessions; by ranges that double if there are many numbers."""
    if len(bars) <= _MOST_BARS:
        return [(str(bar.sessions), bar.users) for bar in bars]
    sums: dict[int, int] = {}
    for bar in bars:
        power = (bar.sessions - 1).bit_length()
        sums[power] = sums.get(power, 0) + bar.users
    return [(_range(power), users) for power, users in sorted(sums.items())]


def by_duration(bars: Iterable[DurationBar]) -> list[Bar]:
    """Sessions by ranges of durations."""
    labelled: list[Bar] = []
    lower = timedelta(0)
    for bar in bars:
        label = f"under {short(bar.upper)}" if bar.upper else f"{short(lower)} and more"
        labelled.append((label, bar.sessions))
        lower = bar.upper or lower
    return labelled


def _range(power: int) -> str:
    lowest, highest = 2 ** (power - 1) + 1 if power else 1, 2**power
    return str(highest) if lowest >= highest else f"{lowest}-{highest}"
