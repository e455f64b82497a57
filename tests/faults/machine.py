"""How much of this machine others took: for what came late by that, nobody here is to blame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_WAITING: Final = (3, 4)
"""Of the columns of /proc/stat: idle, iowait."""
_COLUMNS: Final = 8
"""Up to steal: guests are counted as users too."""
_USED: Final = slice(11, 13)
"""Of what /proc/PID/stat says after the name: utime, stime."""


class Shares:
    """Processor time from here on; `pids` tells the processes that are ours, besides this one."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids
        self._all, self._busy = _of_machine()
        self._ours = self._of_ours()

    def of_others(self) -> float:
        """What others took of all there was, 0 to 1; steal by other machines is theirs as well."""
        everything, busy = _of_machine()
        others = (busy - self._busy) - (self._of_ours() - self._ours)
        return max(0.0, others) / max(everything - self._all, 1 / _TICKS)

    def _of_ours(self) -> float:
        """Of this process, its ended children and those that run: a child's time is never lost."""
        mine = os.times()
        ended = mine.children_user + mine.children_system
        return mine.user + mine.system + ended + sum(map(_of_process, self._pids()))


def _of_machine() -> tuple[float, float]:
    """All, and what of it was not idle."""
    columns = Path("/proc/stat").read_text().splitlines()[0].split()[1:][:_COLUMNS]
    ticks = [int(column) for column in columns]
    idle = sum(ticks[i] for i in _WAITING)
    return sum(ticks) / _TICKS, (sum(ticks) - idle) / _TICKS


def _of_process(pid: int) -> float:
    """What a process has used; 0 once it is gone, and counted among our ended children."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    return sum(map(int, told.rpartition(")")[2].split()[_USED])) / _TICKS
