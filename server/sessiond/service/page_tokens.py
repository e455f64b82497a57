"""Page tokens (AIP-158): where a page ended, for the list that it is of and no other.

Resume tokens of long work are of the same form.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Final, TypeVar

from sessiond.domain.errors import FieldViolation, InvalidFieldError

_LARGEST: Final = 2**53
"""Numbers stay below it: a script reads each as a double."""

_NOT_OF_THIS_LIST: Final = FieldViolation("page_token", "is not a next_page_token of this list")

P = TypeVar("P")


def scope(*what: str | int) -> str:
    """What a page token is good for: one list, such as of one user with one filter."""
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]


def write(token_scope: str, *place: str | int) -> str:
    """The token of a place in a list."""
    parts = json.dumps([token_scope, *place], ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(parts.encode()).decode()


def read(
    token: str,
    token_scope: str,
    make: Callable[..., P],
    refusal: FieldViolation = _NOT_OF_THIS_LIST,
) -> P | None:
    """The place that `make` makes of what `write` was given; None of an empty token.

    Args:
        token: as the caller gave it.
        token_scope: of the list that is asked for.
        make: raises ValueError or TypeError for what can be no place.
        refusal: what to say of another token.

    Raises:
        InvalidFieldError: it is no token of this list.
    """
    if not token:
        return None
    try:
        written_for, *place = json.loads(urlsafe_b64decode(token))
        if written_for == token_scope:
            return make(*place)
    except (ValueError, TypeError, RecursionError):
        pass
    raise InvalidFieldError([refusal])


def number(value: object) -> int:
    """A number of a place.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError("a place has whole numbers")
    return value


def text(value: object) -> str:
    """A text of a place.

    Raises:
        ValueError: it is none, or UTF-8 cannot hold it.
    """
    if type(value) is not str:
        raise ValueError("a place has texts")
    value.encode()
    return value
