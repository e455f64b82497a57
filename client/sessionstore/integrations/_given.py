"""What integrations are given, checked when they are made: a mistake would show late, or never."""

from __future__ import annotations

import re
from collections.abc import Collection


def must_be(given: object, kind: type) -> None:
    """Hold on to the type: what an async verifier returns unawaited would pass for a session.

    Raises:
        TypeError: it is of another.
    """
    if not isinstance(given, kind):
        raise TypeError(f"this needs a {kind.__name__}, not {type(given).__name__}")


def several(given: Collection[str], form: re.Pattern[str], example: str) -> frozenset[str]:
    """Strings that are compared as they are, so that one of another form would match nothing.

    Raises:
        TypeError: it is one string.
        ValueError: one of them is of another form.
    """
    if isinstance(given, str):
        raise TypeError(f"this takes several strings, not one: {{{given!r}}}")
    for each in given:
        if not form.fullmatch(each):
            raise ValueError(f"{each!r} matches nothing: write it as {example!r}")
    return frozenset(given)
