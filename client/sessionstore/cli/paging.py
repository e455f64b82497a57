"""As much of a long list as was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated, TypeVar

import typer

T = TypeVar("T")

Limit = Annotated[int, typer.Option("--limit", "-n", help="How many at most.", min=1)]

_LARGEST_PAGE = 200


def first(limit: int, fetch: Callable[[int], Iterator[T]]) -> list[T]:
    """The first of what is fetched, in pages no larger than needed.

    Args:
        limit: how many at most.
        fetch: takes the size of a page.
    """
    return list(islice(fetch(min(limit, _LARGEST_PAGE)), limit))
