"""The requests of a call that sends many."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Upload(Generic[T]):
    """Requests made of what the caller iterates over.

    gRPC would log the caller's exception and raise one of its own: here it ends the requests, and
    `check` raises it once the answers to what came before are read.
    """

    def __init__(self, items: Iterable[T] | AsyncIterable[T], request: Callable[[T], Any]) -> None:
        self._items = items
        self._request = request
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self._items, AsyncIterable):
            raise TypeError("an async iterable needs the async client")
        try:
            for item in self._items:
                yield self._request(item)
        except Exception as error:  # noqa: BLE001  raised by check
            self._error = error

    async def __aiter__(self) -> AsyncIterator[Any]:
        if not isinstance(self._items, AsyncIterable):
            for request in self:
                yield request
            return
        try:
            async for item in self._items:
                yield self._request(item)
        except Exception as error:  # noqa: BLE001  raised by check
            self._error = error

    def check(self) -> None:
        """Raise what ended the requests before their end, if anything did."""
        if self._error:
            raise self._error
