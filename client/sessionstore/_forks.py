"""What was made before a fork begins anew in the child: its threads and tasks are the parent's."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Whatever has to."""

    def _after_fork(self) -> None:
        """Forget what the parent has; nothing of it may be touched."""


def begin_anew_in_children(one: Forked) -> None:
    """Call its `_after_fork` in every child that is forked while it lives."""
    _all.add(one)


def _in_child() -> None:
    for one in list(_all):
        one._after_fork()  # noqa: SLF001  nobody else is to call it


_all: weakref.WeakSet[Forked] = weakref.WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
