"""Chance, by which what would otherwise happen everywhere in step does not.

It comes from the system: processes that were forked from one draw differently.
"""

from __future__ import annotations

import random
from collections.abc import MutableSequence
from typing import Any, Final

_dice: Final = random.SystemRandom()


def between(least: float, most: float) -> float:
    """A number between two."""
    return _dice.uniform(least, most)


def shuffle(items: MutableSequence[Any]) -> None:
    """Put them in another order."""
    _dice.shuffle(items)
