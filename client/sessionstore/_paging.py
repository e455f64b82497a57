"""Going over lists page by page (AIP-158)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol, TypeVar


class Page(Protocol):
    """An answer that may not be the last one."""

    @property
    def next_page_token(self) -> str: ...


P = TypeVar("P", bound=Page)


def pages(fetch: Callable[[str], P]) -> Iterator[P]:
    """Every page, fetched by its token as it is asked for."""
    page = fetch("")
    yield page
    while page.next_page_token:
        page = fetch(page.next_page_token)
        yield page


async def async_pages(fetch: Callable[[str], Awaitable[P]]) -> AsyncIterator[P]:
    """`pages` for asyncio."""
    page = await fetch("")
    yield page
    while page.next_page_token:
        page = await fetch(page.next_page_token)
        yield page
